package dev.fusor.trim;

import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeSampleCuda.Asked;
import dev.fusor.trim.MagnitudeSelection.Part;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

/** Samples that are taken and ranked on a device, against the same samples sorted. */
@RequiresCuda
class MagnitudeSampleCudaTest extends CudaTensors {
    /** What is sampled, on this side. */
    private record Host(Tensor base, List<Tensor> models) {
        int length() {
            return (int) models.getFirst().elements();
        }

        int bytes() {
            return (int) models.getFirst().dtype().byteSize(models.size() + (base == null ? 0 : 1));
        }

        int key(int model, int i) {
            float value = (float) Elements.get(models.get(model), i);
            return MagnitudeCut.keyOf(base == null ? value : value - (float) Elements.get(base, i));
        }
    }

    private static Host host(DType type, int length, int seed) {
        Tensor base = seed % 3 == 0 ? null : Tensors.random(type, length, 100 + seed, null, 0.02);
        return new Host(base, IntStream.range(0, 2)
                .mapToObj(m -> Tensors.random(type, length, 200 + 10 * seed + m, base, 1e-3 * (1 + m))).toList());
    }

    private Part there(Host host, int shift) {
        return new Part(host.base == null ? null : there(host.base, shift),
                host.models.stream().<TensorSource>map(x -> there(x, shift)).toList());
    }

    /** The tensor with a run's first element, and where in it the run begins. */
    private record Start(Host host, int from) {
        int count() {
            return Math.min(MagnitudeSample.RUN, host.length());
        }
    }

    private static Start start(List<Host> hosts, long element) {
        long from = element;
        int p = 0;
        while (from >= hosts.get(p).length()) {
            from -= hosts.get(p++).length();
        }
        return new Start(hosts.get(p), (int) Math.max(0, Math.min(from, hosts.get(p).length() - MagnitudeSample.RUN)));
    }

    private void check(String what, List<Host> hosts, int runs) {
        long length = hosts.stream().mapToLong(Host::length).sum();
        List<Start> starts = IntStream.range(0, runs)
                .mapToObj(run -> start(hosts, MagnitudeSample.start(run, length / runs))).toList();
        List<Asked> asked = new ArrayList<>();
        List<KeyEstimate> defined = new ArrayList<>();
        for (int m = 0; m < hosts.getFirst().models.size(); m++) {
            int model = m;
            int[][] keys = starts.stream().map(start -> IntStream.range(start.from, start.from + start.count())
                    .map(i -> start.host.key(model, i)).toArray()).toArray(int[][]::new);
            for (long k : MagnitudeSampleTest.ks(length)) {
                asked.add(new Asked(m, (double) k / length));
                defined.add(MagnitudeSampleTest.define(keys, k, length));
            }
        }
        List<Part> parts = IntStream.range(0, hosts.size()).mapToObj(p -> there(hosts.get(p), p % 3)).toList();
        try (MagnitudeSampleCuda sample = new MagnitudeSampleCuda(stream, parts, runs)) {
            assertThat(sample.estimates(asked)).as("%s, %d runs, seed %d", what, runs, Tensors.SEED).isEqualTo(defined);
            assertThat(sample.bytesRead()).as(what)
                    .isEqualTo(starts.stream().mapToLong(start -> (long) start.count() * start.host.bytes()).sum());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"continuous", "bits", "with NaN", "constant", "zeros", "two values", "few values",
        "sorted", "blocks"})
    void saysWhatTheSortedSampleSays(String kind) {
        Host host = new Host(null, List.of(MagnitudeSampleTest.values(kind, 100_003)));
        for (int runs : new int[]{1, 2, 33, 781}) {
            check(kind, List.of(host), runs);
        }
    }

    @Test
    void takesDifferencesOfAnyType() {
        for (DType type : new DType[]{DType.F32, DType.F16, DType.BF16, DType.F8_E4M3, DType.F8_E5M2}) {
            check(type.toString(), List.of(host(type, 70_001, 1)), 130);
        }
    }

    @Test
    void samplesAllTensorsOfAModel() {
        DType[] types = {DType.BF16, DType.F32, DType.BF16};
        for (int[] lengths : new int[][]{{5, 300, 0, 1, 127, 128, 129, 20_000, 40, 3000, 0}, {128, 0, 0, 128},
            {0, 60, 60, 8}}) {
            List<Host> hosts = IntStream.range(0, lengths.length).mapToObj(p -> host(types[p % 3], lengths[p], p))
                    .toList();
            int most = Arrays.stream(lengths).sum() / MagnitudeSample.RUN;
            for (int runs : new int[]{1, (most + 1) / 2, most}) {
                check(Arrays.toString(lengths), hosts, runs);
            }
        }
    }

    /** No run is whole, or few are and not next to each other: runs of shorter tensors differ in their length alone. */
    @Test
    void passesRunsByThatAreNotWhole() {
        List<Host> tiny = IntStream.range(0, 200).mapToObj(p -> host(DType.F32, 7, p)).toList();
        check("tiny tensors", tiny, 10);
        List<Host> mixed = IntStream.range(0, 400)
                .mapToObj(p -> host(DType.F32, p % 40 == 39 ? 150 : 100 + p % 9, p)).toList();
        check("short tensors", mixed, 300);
    }

    @Test
    void ranksTheLargestSample() {
        check("8192 runs", List.of(new Host(null, List.of(MagnitudeSampleTest.values("continuous", 1_100_000)))), 8192);
    }
}
