package dev.fusor.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Rows of text in columns: the first aligned left, those whose heading starts with {@code >} aligned right. */
final class Table {
    private final List<String> headings;
    private final boolean[] right;
    private final List<String[]> rows = new ArrayList<>();

    Table(String... headings) {
        this.right = new boolean[headings.length];
        for (int i = 0; i < headings.length; i++) {
            right[i] = headings[i].startsWith(">");
        }
        this.headings = Arrays.stream(headings).map(heading -> heading.replaceFirst("^>", "")).toList();
    }

    /** Adds a row, of as many cells as there are headings. */
    void row(Object... cells) {
        rows.add(Arrays.stream(cells).map(cell -> printable(String.valueOf(cell))).toArray(String[]::new));
    }

    /** Prints headings and rows; nothing where there are no rows. */
    void print(PrintWriter out) {
        if (rows.isEmpty()) {
            return;
        }
        int[] widths = headings.stream().mapToInt(String::length).toArray();
        for (String[] row : rows) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row[i].length());
            }
        }
        out.println(line(headings.toArray(String[]::new), widths));
        rows.forEach(row -> out.println(line(row, widths)));
    }

    private String line(String[] cells, int[] widths) {
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < cells.length; i++) {
            String padding = " ".repeat(widths[i] - cells[i].length());
            line.append(i == 0 ? "" : "  ").append(right[i] ? padding + cells[i] : cells[i] + padding);
        }
        return line.toString().stripTrailing();
    }

    /** Names come from files that anyone may have made: they must not steer a terminal. */
    static String printable(String text) {
        StringBuilder printable = new StringBuilder(text.length());
        text.codePoints().forEach(point -> {
            if (Character.isISOControl(point) || Character.getType(point) == Character.FORMAT) {
                printable.append(String.format("\\u%04x", point));
            } else {
                printable.appendCodePoint(point);
            }
        });
        return printable.toString();
    }
}
