import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.checkpoint.CheckpointWriter;
import dev.fusor.checkpoint.CheckpointWriter.Spec;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Trains small networks to tell drawn shapes apart, and measures their loss along a path.
 *
 * <pre>
 * DrawnShapes train SEED OUT_DIR                    a multilayer perceptron, trained from a seed
 * DrawnShapes measure TABLE.csv NAME PATH_DIR ...   the losses along paths of as many points
 * </pre>
 *
 * A seed gives the same bits each time and on every machine: all is float32 in a fixed order, and no function is used whose
 * rounding a machine may choose.
 */
public final class DrawnShapes {
    private static final int SIDE = 12;
    private static final int PIXELS = SIDE * SIDE;
    private static final int CLASSES = 6;
    private static final int[] WIDTHS = {PIXELS, 128, 128, CLASSES};
    private static final int STEPS = 800;
    private static final int BATCH = 64;
    private static final float RATE = 2e-3f;
    private static final float DECAY = 1f;
    private static final double NOISE = 0.3;
    private static final int TEST_IMAGES = 1000;
    private static final long TEST_SEED = 1_000_003;

    private DrawnShapes() {}

    public static void main(String[] arguments) throws IOException {
        if (arguments.length == 3 && arguments[0].equals("train")) {
            train(Long.parseLong(arguments[1]), Path.of(arguments[2]));
        } else if (arguments.length >= 4 && arguments.length % 2 == 0 && arguments[0].equals("measure")) {
            measure(Path.of(arguments[1]), List.of(arguments).subList(2, arguments.length));
        } else {
            System.err.println("usage: DrawnShapes train SEED OUT_DIR, or measure TABLE.csv NAME PATH_DIR ...");
            System.exit(2);
        }
    }

    /** An image of one of the shapes, somewhere, of some size, in noise; returns the shape's number. */
    private static int draw(SplittableRandom random, float[] image, int from) {
        int shape = random.nextInt(CLASSES);
        double radius = 2.2 + 2.3 * random.nextDouble();
        double x = radius + random.nextDouble() * (SIDE - 1 - 2 * radius);
        double y = radius + random.nextDouble() * (SIDE - 1 - 2 * radius);
        for (int i = 0; i < PIXELS; i++) {
            double u = (i % SIDE - x) / radius;
            double v = (i / SIDE - y) / radius;
            double outside = Math.max(Math.abs(u), Math.abs(v)) - 1;
            double edge = switch (shape) {
                case 0 -> Math.abs(Math.sqrt(u * u + v * v) - 1); // circle
                case 1 -> Math.abs(outside); // square
                case 2 -> Math.abs(Math.abs(u) + Math.abs(v) - 1); // diamond
                case 3 -> Math.max(Math.min(Math.abs(u), Math.abs(v)), outside); // plus
                case 4 -> Math.max(Math.abs(Math.abs(u) - Math.abs(v)), outside); // cross
                default -> Math.max(Math.abs(Math.abs(u) - 0.6), Math.abs(v) - 1); // two bars
            };
            image[from + i] = (float) (Math.max(0, 1 - edge * radius) + NOISE * bell(random));
        }
        return shape;
    }

    /** A bell-shaped number of mean 0 and deviation 1, by additions alone. */
    private static double bell(SplittableRandom random) {
        return 2 * (random.nextDouble() + random.nextDouble() + random.nextDouble()) - 3;
    }

    /** Weights [outputs, inputs] and biases of each layer. */
    private record Network(float[][] weights, float[][] biases) {
        static Network random(SplittableRandom random) {
            Network network = zeros();
            for (int layer = 0; layer < network.weights.length; layer++) {
                double spread = Math.sqrt(2.0 / WIDTHS[layer]);
                for (int i = 0; i < network.weights[layer].length; i++) {
                    network.weights[layer][i] = (float) (spread * bell(random));
                }
            }
            return network;
        }

        static Network zeros() {
            float[][] weights = new float[WIDTHS.length - 1][];
            float[][] biases = new float[WIDTHS.length - 1][];
            for (int layer = 0; layer < weights.length; layer++) {
                weights[layer] = new float[WIDTHS[layer + 1] * WIDTHS[layer]];
                biases[layer] = new float[WIDTHS[layer + 1]];
            }
            return new Network(weights, biases);
        }

        int layers() {
            return weights.length;
        }

        /** The outputs of all layers for one input; ReLU after each but the last. */
        float[][] forward(float[] images, int from) {
            float[][] outputs = new float[layers() + 1][];
            outputs[0] = Arrays.copyOfRange(images, from, from + PIXELS);
            for (int layer = 0; layer < layers(); layer++) {
                float[] x = outputs[layer];
                float[] y = biases[layer].clone();
                for (int o = 0; o < y.length; o++) {
                    float sum = 0;
                    for (int i = 0; i < x.length; i++) {
                        sum += weights[layer][o * x.length + i] * x[i];
                    }
                    y[o] += sum;
                    if (layer < layers() - 1) {
                        y[o] = Math.max(0, y[o]);
                    }
                }
                outputs[layer + 1] = y;
            }
            return outputs;
        }

        /** Adds the gradient of the cross-entropy of one image; returns the loss. */
        double backward(float[][] outputs, int shape, Network gradient) {
            float[] delta = softmax(outputs[layers()]);
            double loss = -StrictMath.log(Math.max(1e-30, delta[shape]));
            delta[shape] -= 1;
            for (int layer = layers() - 1; layer >= 0; layer--) {
                float[] x = outputs[layer];
                float[] before = new float[x.length];
                for (int o = 0; o < delta.length; o++) {
                    if (delta[o] == 0) {
                        continue;
                    }
                    gradient.biases[layer][o] += delta[o];
                    for (int i = 0; i < x.length; i++) {
                        gradient.weights[layer][o * x.length + i] += delta[o] * x[i];
                        before[i] += delta[o] * weights[layer][o * x.length + i];
                    }
                }
                for (int i = 0; i < x.length; i++) {
                    before[i] = x[i] > 0 ? before[i] : 0;
                }
                delta = before;
            }
            return loss;
        }
    }

    private static float[] softmax(float[] logits) {
        float most = Float.NEGATIVE_INFINITY;
        for (float logit : logits) {
            most = Math.max(most, logit);
        }
        float sum = 0;
        float[] shares = new float[logits.length];
        for (int i = 0; i < logits.length; i++) {
            shares[i] = (float) StrictMath.exp(logits[i] - most);
            sum += shares[i];
        }
        for (int i = 0; i < logits.length; i++) {
            shares[i] /= sum;
        }
        return shares;
    }

    private static void train(long seed, Path output) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        Network network = Network.random(random);
        Network mean = Network.zeros();
        Network square = Network.zeros();
        float[] images = new float[BATCH * PIXELS];
        double smooth = 0;
        for (int step = 1; step <= STEPS; step++) {
            Network gradient = Network.zeros();
            double loss = 0;
            for (int image = 0; image < BATCH; image++) {
                int shape = draw(random, images, image * PIXELS);
                loss += network.backward(network.forward(images, image * PIXELS), shape, gradient);
            }
            smooth = step == 1 ? loss / BATCH : 0.98 * smooth + 0.02 * loss / BATCH;
            float rate = RATE * (float) (0.5 + 0.5 * StrictMath.cos(Math.PI * step / STEPS));
            for (int layer = 0; layer < network.layers(); layer++) {
                adam(network.weights[layer], gradient.weights[layer], mean.weights[layer], square.weights[layer], step,
                        rate, DECAY);
                adam(network.biases[layer], gradient.biases[layer], mean.biases[layer], square.biases[layer], step,
                        rate, 0);
            }
        }
        System.err.printf(Locale.ROOT, "seed %d: loss %.4f%n", seed, smooth);
        write(network, output);
    }

    /** A step of AdamW: decay is apart from the gradient. */
    private static void adam(float[] weights, float[] gradient, float[] mean, float[] square, int step, float rate,
            float decay) {
        float meanScale = (float) (1 / (1 - StrictMath.pow(0.9, step)));
        float squareScale = (float) (1 / (1 - StrictMath.pow(0.999, step)));
        for (int i = 0; i < weights.length; i++) {
            float g = gradient[i] / BATCH;
            mean[i] = 0.9f * mean[i] + 0.1f * g;
            square[i] = 0.999f * square[i] + 0.001f * g * g;
            weights[i] -= rate * (mean[i] * meanScale / ((float) Math.sqrt(square[i] * squareScale) + 1e-8f)
                    + decay * weights[i]);
        }
    }

    private static List<Spec> specs() {
        List<Spec> specs = new ArrayList<>();
        for (int layer = 0; layer + 1 < WIDTHS.length; layer++) {
            specs.add(new Spec("fc%d.weight".formatted(layer + 1), DType.F32,
                    Shape.of(WIDTHS[layer + 1], WIDTHS[layer])));
            specs.add(new Spec("fc%d.bias".formatted(layer + 1), DType.F32, Shape.of(WIDTHS[layer + 1])));
        }
        return specs;
    }

    private static void write(Network network, Path output) throws IOException {
        List<Spec> specs = specs();
        try (Arena arena = Arena.ofConfined();
                CheckpointWriter writer = CheckpointWriter.create(output, specs, Long.MAX_VALUE, Map.of(), true)) {
            for (int i = 0; i < specs.size(); i++) {
                float[] values = i % 2 == 0 ? network.weights[i / 2] : network.biases[i / 2];
                Tensor tensor = Tensor.allocate(arena, DType.F32, values.length);
                for (int j = 0; j < values.length; j++) {
                    Elements.set(tensor, j, values[j]);
                }
                writer.write(specs.get(i).name(), 0, tensor.data());
            }
            writer.commit();
        }
    }

    private static Network read(Path path) throws IOException {
        Network network = Network.zeros();
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            List<Spec> specs = specs();
            for (int i = 0; i < specs.size(); i++) {
                float[] values = i % 2 == 0 ? network.weights[i / 2] : network.biases[i / 2];
                Elements.load(checkpoint.map(specs.get(i).name()), 0, values, values.length);
            }
        }
        return network;
    }

    private static double loss(Network network, float[] images, int[] shapes) {
        double sum = 0;
        for (int image = 0; image < shapes.length; image++) {
            float[][] outputs = network.forward(images, image * PIXELS);
            sum -= StrictMath.log(Math.max(1e-30, softmax(outputs[network.layers()])[shapes[image]]));
        }
        return sum / shapes.length;
    }

    private static void measure(Path table, List<String> paths) throws IOException {
        SplittableRandom random = new SplittableRandom(TEST_SEED);
        float[] images = new float[TEST_IMAGES * PIXELS];
        int[] shapes = new int[TEST_IMAGES];
        for (int image = 0; image < TEST_IMAGES; image++) {
            shapes[image] = draw(random, images, image * PIXELS);
        }
        List<String> lines = new ArrayList<>(List.of("t"));
        for (int i = 0; i < paths.size(); i += 2) {
            List<String> points = Files.readAllLines(Path.of(paths.get(i + 1)).resolve("path.csv"));
            lines.set(0, lines.getFirst() + "," + paths.get(i));
            for (int row = 1; row < points.size(); row++) {
                String[] point = points.get(row).split(",");
                if (i == 0) {
                    lines.add(point[0]);
                }
                Path checkpoint = Path.of(paths.get(i + 1)).resolve(point[1]);
                lines.set(row, lines.get(row) + "," + loss(read(checkpoint), images, shapes));
            }
        }
        Files.write(table, lines);
    }
}
