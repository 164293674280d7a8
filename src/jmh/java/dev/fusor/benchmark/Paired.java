package dev.fusor.benchmark;

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/**
 * Two benchmarks in turn, in one process, a tenth of a second each time: what neighbours on the machine do to one, they do to the
 * other, so the ratio of two turns that follow each other says more than two rates measured a minute apart.
 */
public final class Paired {
    private static final int WARM_UPS = 20;
    private static final double TURN_NANOSECONDS = 1e8;

    private static volatile Object result;

    private Paired() {}

    /**
     * Prints both rates and the ratio of the first to the second.
     *
     * @param arguments how many turns; two benchmarks, each a class below {@code dev.fusor} and its method, with values of
     *        parameters behind commas: {@code consensus.DisjointMergeBenchmark.ties,type=F32 benchmark.CopyBenchmark.copy}
     */
    public static void main(String[] arguments) throws ReflectiveOperationException {
        int turns = Integer.parseInt(arguments[0]);
        Side measured = Side.of(arguments[1]);
        Side reference = Side.of(arguments[2]);
        for (int turn = 0; turn < WARM_UPS; turn++) {
            measured.rate();
            reference.rate();
        }
        double[] rates = new double[turns];
        double[] references = new double[turns];
        double[] ratios = new double[turns];
        for (int turn = 0; turn < turns; turn++) {
            rates[turn] = measured.rate();
            references[turn] = reference.rate();
            ratios[turn] = rates[turn] / references[turn];
        }
        System.out.println("%s: %s GB/s%n%s: %s GB/s%nratio: %s".formatted(arguments[1], quartiles(rates), arguments[2],
                quartiles(references), quartiles(ratios)));
        System.exit(0); // threads of devices are left
    }

    private static String quartiles(double[] numbers) {
        double[] sorted = numbers.clone();
        Arrays.sort(sorted);
        int last = sorted.length - 1;
        return String.format(Locale.ROOT, "%.3f (quartiles %.3f, %.3f)", sorted[last / 2], sorted[last / 4],
                sorted[3 * last / 4]);
    }

    private record Side(Object state, Method benchmark) {
        static Side of(String text) throws ReflectiveOperationException {
            String[] parts = text.split(",");
            int dot = parts[0].lastIndexOf('.');
            Class<?> type = Class.forName("dev.fusor." + parts[0].substring(0, dot));
            Method benchmark = type.getMethod(parts[0].substring(dot + 1), Traffic.class);
            if (!benchmark.isAnnotationPresent(Benchmark.class)) {
                throw new IllegalArgumentException(benchmark + " is not a benchmark");
            }
            Object state = type.getConstructor().newInstance();
            List<String> settings = new ArrayList<>(List.of(parts).subList(1, parts.length));
            for (Field field : type.getDeclaredFields()) {
                Param param = field.getAnnotation(Param.class);
                if (param != null) {
                    String prefix = field.getName() + "=";
                    String value = settings.stream().filter(s -> s.startsWith(prefix)).findFirst()
                            .map(s -> s.substring(prefix.length())).orElse(param.value()[0]);
                    settings.remove(prefix + value);
                    field.setAccessible(true);
                    field.set(state, parsed(field.getType(), value));
                }
            }
            if (!settings.isEmpty()) {
                throw new IllegalArgumentException(type.getSimpleName() + " has no parameter for " + settings);
            }
            for (Method method : type.getMethods()) {
                if (method.isAnnotationPresent(Setup.class)) {
                    method.invoke(state);
                }
            }
            return new Side(state, benchmark);
        }

        @SuppressWarnings({"unchecked", "rawtypes"})
        private static Object parsed(Class<?> type, String value) {
            if (type.isEnum()) {
                return Enum.valueOf((Class) type, value);
            }
            return type == int.class
                    ? (Object) Integer.valueOf(value)
                    : type == long.class
                            ? (Object) Long.valueOf(value)
                            : type == boolean.class ? (Object) Boolean.valueOf(value) : value;
        }

        double rate() throws ReflectiveOperationException {
            Traffic traffic = new Traffic();
            long start = System.nanoTime();
            long end = start;
            while (end - start < TURN_NANOSECONDS) {
                result = benchmark.invoke(state, traffic);
                end = System.nanoTime();
            }
            return traffic.bytes / (double) (end - start);
        }
    }
}
