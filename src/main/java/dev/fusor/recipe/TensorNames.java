package dev.fusor.recipe;

import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What the names of tensors tell. */
final class TensorNames {
    /** By name, numbers by value: {@code layers.2} before {@code layers.10}. */
    static final Comparator<String> NATURAL_ORDER = TensorNames::compare;

    private static final Pattern PART = Pattern.compile("\\d++|\\D++");
    /** The last module of an embedding or of an output head, as the usual architectures call it. */
    private static final Set<String> VOCABULARY = Set.of("embed_tokens", "wte", "word_embeddings", "tok_embeddings",
            "embed_in", "embed_out", "lm_head", "output", "shared", "embedding", "embeddings", "token_embedding",
            "word_embedding", "decoder", "head");
    private static final List<String> AFTER_LAYERS = List.of("embed_out", "lm_head", "unembed");
    private static final List<String> BEFORE_LAYERS = List.of("embed", "wte", "wpe");

    private TensorNames() {}

    /** Whether the rows of the tensor stand for the tokens of a vocabulary. */
    static boolean isVocabulary(String name) {
        String[] modules = name.split("\\.");
        return modules.length > 1 && modules[modules.length - 1].equals("weight")
                && VOCABULARY.contains(modules[modules.length - 2]);
    }

    /** Whether a tensor outside the layers comes before them; what does not look like an embedding comes after. */
    static boolean isBeforeLayers(String name) {
        return BEFORE_LAYERS.stream().anyMatch(name::contains) && AFTER_LAYERS.stream().noneMatch(name::contains);
    }

    private static int compare(String left, String right) {
        Matcher l = PART.matcher(left);
        Matcher r = PART.matcher(right);
        while (true) {
            boolean more = l.find();
            if (!r.find()) {
                return more ? 1 : left.compareTo(right);
            }
            if (!more) {
                return -1;
            }
            int order = comparePart(l.group(), r.group());
            if (order != 0) {
                return order;
            }
        }
    }

    private static int comparePart(String left, String right) {
        if (!Character.isDigit(left.charAt(0)) || !Character.isDigit(right.charAt(0))) {
            return left.compareTo(right);
        }
        String l = left.replaceFirst("^0+(?=.)", "");
        String r = right.replaceFirst("^0+(?=.)", "");
        return l.length() != r.length() ? Integer.compare(l.length(), r.length()) : l.compareTo(r);
    }
}
