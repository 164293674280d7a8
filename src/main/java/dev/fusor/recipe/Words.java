package dev.fusor.recipe;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** Wording of messages. */
final class Words {
    private static final int LONGEST_QUOTE = 100;
    private static final int LONGEST_COMPARED = 64;

    private Words() {}

    /** The text in quotes, without control characters and not longer than a message can bear. */
    static String quote(String text) {
        return "'" + plain(text, LONGEST_QUOTE) + "'";
    }

    /** A text without control characters, cut where it is longer than allowed. */
    static String plain(String text, int longest) {
        String shown = text.length() <= longest ? text : text.substring(0, longest) + "...";
        StringBuilder plain = new StringBuilder();
        shown.chars().forEach(c -> {
            if (Character.isISOControl(c) || Character.isSurrogate((char) c)) {
                plain.append("\\u%04x".formatted(c));
            } else {
                plain.append((char) c);
            }
        });
        return plain.toString();
    }

    static String quoteAll(Collection<String> texts) {
        return texts.stream().map(Words::quote).collect(Collectors.joining(", "));
    }

    /** The first three, quoted, and an ellipsis if there are more. */
    static String quoteSome(Collection<String> texts) {
        return quoteAll(texts.stream().limit(3).toList()) + (texts.size() > 3 ? ", ..." : "");
    }

    static String count(long number, String noun) {
        return number + " " + noun + (number == 1 ? "" : "s");
    }

    /** A number without a fraction that says nothing: 1 rather than 1.0. */
    static String number(double value) {
        return value == (long) value && Math.abs(value) < 1e15 ? Long.toString((long) value) : Double.toString(value);
    }

    /** The end of a sentence about an unknown name: a suggestion if one is near, else all there are. */
    static String didYouMean(String name, Collection<String> known) {
        return nearest(name, known).map(near -> ", did you mean %s?".formatted(quote(near)))
                .orElseGet(() -> "; known are " + String.join(", ", known));
    }

    /** The known name within a third of the length in typing mistakes, the nearest first. */
    static Optional<String> nearest(String name, Collection<String> known) {
        if (name.length() > LONGEST_COMPARED) {
            return Optional.empty();
        }
        int most = Math.max(1, name.length() / 3);
        return List.copyOf(known).stream().min(Comparator.comparingInt(other -> distance(name, other)))
                .filter(other -> distance(name, other) <= most);
    }

    /** Insertions, deletions, substitutions and swaps of neighbours that lead from one to the other. */
    static int distance(String from, String to) {
        int[][] cost = new int[from.length() + 1][to.length() + 1];
        for (int i = 0; i <= from.length(); i++) {
            for (int j = 0; j <= to.length(); j++) {
                cost[i][j] = i == 0 || j == 0 ? i + j : step(cost, from, to, i, j);
            }
        }
        return cost[from.length()][to.length()];
    }

    private static int step(int[][] cost, String from, String to, int i, int j) {
        int substituted = cost[i - 1][j - 1] + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
        int best = Math.min(substituted, 1 + Math.min(cost[i - 1][j], cost[i][j - 1]));
        boolean swapped = i > 1 && j > 1 && from.charAt(i - 1) == to.charAt(j - 2)
                && from.charAt(i - 2) == to.charAt(j - 1);
        return swapped ? Math.min(best, 1 + cost[i - 2][j - 2]) : best;
    }
}
