package dev.fusor.cli;

import dev.fusor.merge.MergeException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Losses along a path, as a table gives them: a column {@code t} from 0 to 1, a column for each loss, and perhaps one named
 * {@code checkpoint}, which is passed over. Columns are separated by commas or tabs.
 *
 * @param names of the losses
 * @param rows each with t and its losses, t rising
 */
record LossTable(List<String> names, List<double[]> rows) {
    /** Differences of losses stay finite. */
    private static final double LARGEST = 1e300;

    /**
     * How much worse than the line between its ends a loss is, where that is most.
     *
     * @param height the barrier: 0 or more, as it is 0 at both ends
     * @param t where
     */
    record Barrier(double height, double t) {}

    static LossTable read(Path file) throws IOException, MergeException {
        try {
            return parse(Files.readAllLines(file), file.toString());
        } catch (CharacterCodingException e) {
            throw new MergeException(file + ": a table is UTF-8 text, and this file is not");
        }
    }

    static LossTable parse(List<String> lines, String source) throws MergeException {
        List<String> header = null;
        List<double[]> rows = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            if (lines.get(i).isBlank()) {
                continue;
            }
            List<String> cells = Arrays.stream(lines.get(i).split("[,\t]", -1)).map(String::strip).toList();
            if (header == null) {
                header = cells;
                checkHeader(header, source + ":" + (i + 1));
            } else {
                rows.add(row(header, cells, source + ":" + (i + 1)));
            }
        }
        if (header == null) {
            throw new MergeException(source + ": a table has a heading and rows, and this one is empty");
        }
        rows.sort(Comparator.comparingDouble(row -> row[0]));
        check(rows, source);
        List<String> names = header.stream().filter(name -> !name.equals("t") && !name.equals("checkpoint")).toList();
        return new LossTable(names, rows);
    }

    private static void checkHeader(List<String> header, String place) throws MergeException {
        long losses = header.stream().filter(name -> !name.equals("t") && !name.equals("checkpoint")).count();
        if (header.stream().filter("t"::equals).count() != 1 || losses == 0
                || header.stream().distinct().count() < header.size()) {
            throw new MergeException("%s: wanted a heading with one column t and different names of losses, got %s"
                    .formatted(place, String.join(", ", header)));
        }
    }

    private static double[] row(List<String> header, List<String> cells, String place) throws MergeException {
        if (cells.size() != header.size()) {
            throw new MergeException("%s: wanted %d columns, got %d".formatted(place, header.size(), cells.size()));
        }
        List<Double> losses = new ArrayList<>();
        for (int i = 0; i < cells.size(); i++) {
            if (header.get(i).equals("t")) {
                losses.addFirst(number(cells.get(i), "t", place));
            } else if (!header.get(i).equals("checkpoint")) {
                losses.add(number(cells.get(i), header.get(i), place));
            }
        }
        double t = losses.getFirst();
        if (t < 0 || t > 1) {
            throw new MergeException("%s: t is 0 to 1, got %s".formatted(place, t));
        }
        return losses.stream().mapToDouble(Double::doubleValue).toArray();
    }

    private static double number(String text, String column, String place) throws MergeException {
        try {
            double number = Double.parseDouble(text);
            if (Math.abs(number) <= LARGEST) {
                return number;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw new MergeException("%s: %s: wanted a number of at most 1e300, got '%s'".formatted(place, column, text));
    }

    private static void check(List<double[]> rows, String source) throws MergeException {
        if (rows.size() < 2 || rows.getFirst()[0] != 0 || rows.getLast()[0] != 1) {
            throw new MergeException("%s: a path has rows of t = 0 and t = 1; add their losses".formatted(source));
        }
        for (int i = 1; i < rows.size(); i++) {
            if (rows.get(i)[0] == rows.get(i - 1)[0]) {
                throw new MergeException("%s: two rows have t = %s".formatted(source, rows.get(i)[0]));
            }
        }
    }

    /** The loss of a row, by number of the loss. */
    double loss(int row, int loss) {
        return rows.get(row)[loss + 1];
    }

    /** The barrier of a loss; the first place where it is highest. */
    Barrier barrier(int loss) {
        double start = loss(0, loss);
        double end = loss(rows.size() - 1, loss);
        Barrier highest = new Barrier(0, 0);
        for (int row = 0; row < rows.size(); row++) {
            double t = rows.get(row)[0];
            double height = loss(row, loss) - ((1 - t) * start + t * end);
            if (height > highest.height()) {
                highest = new Barrier(height, t);
            }
        }
        return highest;
    }
}
