package dev.fusor.cli;

import dev.fusor.checkpoint.ArrayWriter;
import dev.fusor.checkpoint.CheckpointWriter;
import dev.fusor.checkpoint.CheckpointWriter.Spec;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * {@code fusor examples}: small checkpoints to try recipes on. A base model of normal size and spread, and fine-tuned ones
 * that differ from it as fine-tuned models do: little, and not everywhere. And logits of three models that are right more often
 * than not, each sure of itself in its own measure. The same bytes each time.
 */
@Command(name = "examples", mixinStandardHelpOptions = true, description = "Writes a small base model and three fine-tuned ones to try recipes on, and logits to try ensembles on.")
final class ExamplesCommand implements Callable<Integer> {
    private static final int LAYERS = 4;
    private static final int HIDDEN = 32;
    private static final int INNER = 64;
    private static final int VOCABULARY = 128;
    private static final double SPREAD = 0.02;
    private static final double TUNED_SPREAD = 2e-3;
    private static final double TUNED_SHARE = 0.6;
    private static final int ROWS = 500;
    private static final int CLASSES = 10;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final List<String> FINE_TUNED = List.of("code", "maths", "prose");

    @Parameters(index = "0", paramLabel = "DIR", description = "The folder to write them into.")
    private Path folder;

    @Option(names = "--overwrite", description = "Replace what is there.")
    private boolean overwrite;

    ExamplesCommand() {}

    @Override
    public Integer call() throws IOException {
        Files.createDirectories(folder);
        try (Arena arena = Arena.ofConfined()) {
            List<Tensor> base = new ArrayList<>();
            SplittableRandom random = new SplittableRandom(1);
            for (Spec spec : specs()) {
                Tensor tensor = Tensor.allocate(arena, spec.dtype(), spec.shape().toArray());
                boolean norm = spec.shape().rank() == 1;
                for (long i = 0; i < tensor.elements(); i++) {
                    Elements.set(tensor, i, norm ? 1 : SPREAD * bell(random));
                }
                base.add(tensor);
            }
            write("base", base, Long.MAX_VALUE);
            for (int m = 0; m < FINE_TUNED.size(); m++) {
                // One of them comes in several files, as large models do.
                write(FINE_TUNED.get(m), tuned(arena, base, new SplittableRandom(2 + m)),
                        m == 1 ? 40_000 : Long.MAX_VALUE);
            }
            writeLogits(arena);
        }
        return 0;
    }

    private void writeLogits(Arena arena) throws IOException {
        SplittableRandom random = new SplittableRandom(5);
        Tensor labels = Tensor.allocate(arena, DType.I64, ROWS);
        for (long row = 0; row < ROWS; row++) {
            labels.data().setAtIndex(LONG, row, random.nextInt(CLASSES));
        }
        Files.createDirectories(folder.resolve("logits"));
        writeArray("labels", labels);
        for (int m = 0; m < FINE_TUNED.size(); m++) {
            Tensor logits = Tensor.allocate(arena, DType.F32, ROWS, CLASSES);
            for (long i = 0; i < logits.elements(); i++) {
                boolean right = labels.data().getAtIndex(LONG, i / CLASSES) == i % CLASSES;
                Elements.set(logits, i, (1 + m) * (bell(random) + (right ? 2 : 0)));
            }
            writeArray(FINE_TUNED.get(m), logits);
        }
    }

    private void writeArray(String name, Tensor tensor) throws IOException {
        try (ArrayWriter writer = ArrayWriter.create(folder.resolve("logits").resolve(name + ".npy"),
                List.of(new Spec(name, tensor.dtype(), tensor.shape())), overwrite)) {
            writer.write(name, tensor.data());
            writer.commit();
        }
    }

    private static List<Tensor> tuned(Arena arena, List<Tensor> base, SplittableRandom random) {
        List<Tensor> tuned = new ArrayList<>();
        for (Tensor from : base) {
            Tensor tensor = Tensor.allocate(arena, from.dtype(), from.shape().toArray());
            for (long i = 0; i < tensor.elements(); i++) {
                double delta = random.nextDouble() < TUNED_SHARE ? TUNED_SPREAD * bell(random) : 0;
                Elements.set(tensor, i, Elements.get(from, i) + delta);
            }
            tuned.add(tensor);
        }
        return tuned;
    }

    /** Near enough to a normal distribution of deviation 1, by additions alone: the same on every machine. */
    private static double bell(SplittableRandom random) {
        double sum = 0;
        for (int i = 0; i < 12; i++) {
            sum += random.nextDouble();
        }
        return sum - 6;
    }

    private void write(String name, List<Tensor> tensors, long shardBytes) throws IOException {
        List<Spec> specs = specs();
        try (CheckpointWriter writer = CheckpointWriter
                .create(folder.resolve(name), specs, shardBytes, Map.of(), overwrite)) {
            for (int i = 0; i < specs.size(); i++) {
                writer.write(specs.get(i).name(), 0, tensors.get(i).data());
            }
            Files.writeString(writer.staging().resolve("config.json"), """
                    {
                      "architectures": ["LlamaForCausalLM"],
                      "model_type": "llama",
                      "hidden_size": %d,
                      "intermediate_size": %d,
                      "num_hidden_layers": %d,
                      "vocab_size": %d,
                      "torch_dtype": "bfloat16"
                    }
                    """.formatted(HIDDEN, INNER, LAYERS, VOCABULARY));
            Files.writeString(writer.staging().resolve("generation_config.json"), "{\"do_sample\": false}\n");
            writer.commit();
        }
    }

    private static List<Spec> specs() {
        List<Spec> specs = new ArrayList<>();
        add(specs, "model.embed_tokens.weight", VOCABULARY, HIDDEN);
        for (int layer = 0; layer < LAYERS; layer++) {
            String prefix = "model.layers." + layer + ".";
            add(specs, prefix + "input_layernorm.weight", HIDDEN);
            for (String projection : List.of("q", "k", "v", "o")) {
                add(specs, prefix + "self_attn." + projection + "_proj.weight", HIDDEN, HIDDEN);
            }
            add(specs, prefix + "post_attention_layernorm.weight", HIDDEN);
            add(specs, prefix + "mlp.gate_proj.weight", INNER, HIDDEN);
            add(specs, prefix + "mlp.up_proj.weight", INNER, HIDDEN);
            add(specs, prefix + "mlp.down_proj.weight", HIDDEN, INNER);
        }
        add(specs, "model.norm.weight", HIDDEN);
        add(specs, "lm_head.weight", VOCABULARY, HIDDEN);
        return specs;
    }

    private static void add(List<Spec> specs, String name, long... extents) {
        specs.add(new Spec(name, DType.BF16, Shape.of(extents)));
    }
}
