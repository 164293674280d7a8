package dev.fusor.simulator.ptx;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/** Every spelling of ld, st, atom and red, run in its state space and compared with what memory and registers then have to hold. */
class MemoryFormsTest {
    private static final long SEED = Long.getLong("fusor.seed", 20261121L);

    @Test
    void everyLoadGivesItsElementsExtendedByTheirSign() {
        ModuleRunner.require();
        List<MemoryForm> forms = MemoryForm.all("ld", form -> !MemoryForm.isParameter(form));
        ByteBuffer data = data();
        Path module = ModuleRunner.build(MemoryKernels.loads(forms, data.array()), "loads");
        long[] out = run(module, "loads", 1, longs(data), new long[forms.size() * MemoryKernels.SLOT / 8]);
        ByteBuffer got = bytes(out);
        for (int i = 0; i < forms.size(); i++) {
            MemoryForm form = forms.get(i);
            for (int lane = 0; lane < form.lanes(); lane++) {
                BigInteger element = element(data, lane * form.bytes(), form.bytes(), form.type().startsWith("s"));
                int width = form.registerBits() / 8;
                assertThat(element(got, i * MemoryKernels.SLOT + lane * width, width, false))
                        .as("%s, element %d", form.spelling(), lane)
                        .isEqualTo(element.and(BigInteger.ONE.shiftLeft(8 * width).subtract(BigInteger.ONE)));
            }
        }
        System.out.printf("%d loads%n", forms.size());
    }

    @Test
    void everyStoreChangesItsBytesAndNoOther() {
        ModuleRunner.require();
        List<MemoryForm> forms = MemoryForm.all("st", form -> !MemoryForm.isParameter(form));
        ByteBuffer data = data();
        Path module = ModuleRunner.build(MemoryKernels.stores(forms), "stores");
        ByteBuffer got = bytes(run(module, "stores", 1, longs(data), new long[forms.size() * MemoryKernels.SLOT / 8]));
        for (int i = 0; i < forms.size(); i++) {
            MemoryForm form = forms.get(i);
            byte[] wanted = new byte[MemoryKernels.SLOT];
            for (int b = 0; b < form.lanes() * form.bytes(); b++) {
                wanted[b] = data.get(b / form.bytes() * form.registerBits() / 8 + b % form.bytes());
            }
            byte[] slot = new byte[MemoryKernels.SLOT];
            got.get(i * MemoryKernels.SLOT, slot);
            assertThat(slot).as(form.spelling()).isEqualTo(wanted);
        }
        System.out.printf("%d stores%n", forms.size());
    }

    @Test
    void everyAtomicUpdatesItsCellAndGivesTheOldValue() {
        ModuleRunner.require();
        List<MemoryForm> forms = new ArrayList<>(MemoryForm.all("atom", _ -> true));
        forms.addAll(MemoryForm.all("red", _ -> true));
        int words = forms.size() * 6;
        long[] in = new long[MemoryKernels.THREADS * words];
        SplittableRandom random = new SplittableRandom(SEED);
        for (int thread = 0; thread < MemoryKernels.THREADS; thread++) {
            for (int i = 0; i < forms.size(); i++) {
                String type = forms.get(i).type().equals("b128") ? "b64" : forms.get(i).type();
                long[] edges = EdgeValues.of(type, random);
                for (int word = 0; word < 6; word++) {
                    in[thread * words + 6 * i + word] = edges[random.nextInt(edges.length)];
                }
                if (random.nextBoolean()) {
                    // A comparison that succeeds.
                    System.arraycopy(in, thread * words + 6 * i, in, thread * words + 6 * i + 2, 2);
                }
            }
        }
        Path module = ModuleRunner.build(MemoryKernels.atomics(forms), "atomics");
        long[] out = run(module, "atomics", MemoryKernels.THREADS, in.clone(),
                new long[MemoryKernels.THREADS * forms.size() * 4]);
        for (int thread = 0; thread < MemoryKernels.THREADS; thread++) {
            for (int i = 0; i < forms.size(); i++) {
                check(forms.get(i), in, thread * words + 6 * i, out, 4 * (thread * forms.size() + i));
            }
        }
        System.out.printf("%d atomics%n", forms.size());
    }

    private static void check(MemoryForm form, long[] in, int at, long[] out, int to) {
        boolean returns = form.form().operands().get(0).isDestination();
        if (form.type().equals("b128")) {
            boolean swaps = form.modifiers().contains("exch") || in[at] == in[at + 2] && in[at + 1] == in[at + 3];
            int value = form.modifiers().contains("exch") ? 2 : 4;
            assertThat(new long[]{out[to], out[to + 1], out[to + 2], out[to + 3]}).as(form.spelling()).containsExactly(
                    swaps ? in[at + value] : in[at], swaps ? in[at + value + 1] : in[at + 1], in[at], in[at + 1]);
            return;
        }
        Outcome wanted = AtomicDefinitions.updated(form, in[at], in[at + 2], in[at + 4]);
        assertThat(wanted.accepts(out[to]))
                .as("%s of 0x%x and 0x%x should be %s, is 0x%x", form.spelling(), in[at], in[at + 2], wanted,
                        out[to])
                .isTrue();
        assertThat(out[to + 2]).as("what %s gives", form.spelling()).isEqualTo(returns ? in[at] : 0);
    }

    /** Every byte is different, and most have their highest bit set. */
    private static ByteBuffer data() {
        ByteBuffer data = ByteBuffer.allocate(MemoryKernels.DATA).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < MemoryKernels.DATA; i++) {
            data.put(i, (byte) (0xf1 - 3 * i));
        }
        return data;
    }

    private static long[] run(Path module, String entry, int threads, long[] in, long[] out) {
        ModuleRunner.Result result = ModuleRunner.run(module, entry, ModuleRunner.Shape.of(1, threads), 0, in, out);
        assertThat(result.fault()).as(result.report()).isZero();
        return out;
    }

    private static long[] longs(ByteBuffer bytes) {
        long[] longs = new long[bytes.capacity() / 8];
        bytes.asLongBuffer().get(longs);
        return longs;
    }

    private static ByteBuffer bytes(long[] longs) {
        ByteBuffer bytes = ByteBuffer.allocate(8 * longs.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asLongBuffer().put(longs);
        return bytes;
    }

    private static BigInteger element(ByteBuffer bytes, int at, int count, boolean signed) {
        byte[] bigEndian = new byte[count + 1];
        for (int i = 0; i < count; i++) {
            bigEndian[count - i] = bytes.get(at + i);
        }
        BigInteger value = new BigInteger(bigEndian);
        return signed && value.testBit(8 * count - 1) ? value.subtract(BigInteger.ONE.shiftLeft(8 * count)) : value;
    }
}
