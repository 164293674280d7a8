package dev.fusor.simulator.ptx;

import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Fills in the C++ of a row: see {@link FormTable} for what the placeholders mean. */
final class Template {
    private static final Pattern PLACEHOLDER = Pattern.compile("\\$([?#]?)(\\w+)");
    private static final Map<String, String> SPACES = Map.of("global", "Global", "const", "Constant", "local", "Local",
            "shared",
            "SharedCta", "shared::cta", "SharedCta", "shared::cluster", "SharedCluster");
    private static final Map<String, String> ORDERS = Map.of("relaxed", "Relaxed", "acquire", "Acquire", "release",
            "Release",
            "acq_rel", "AcquireRelease");
    private static final Map<String, String> SCOPES = Map.of("cta", "Cta", "cluster", "Cluster", "gpu", "Gpu", "sys",
            "Sys");
    private static final List<String> SIGNED = List.of("s8", "s16", "s32", "s64");

    private Template() {}

    /** Operands give the text for names of operands, and null for others. */
    static String fill(String meaning, Map<String, String> chosen, UnaryOperator<String> operands) {
        Matcher matcher = PLACEHOLDER.matcher(meaning);
        StringBuilder filled = new StringBuilder();
        while (matcher.find()) {
            String replacement = replacement(matcher.group(1), matcher.group(2), chosen, operands);
            matcher.appendReplacement(filled, Matcher.quoteReplacement(replacement));
        }
        return matcher.appendTail(filled).toString();
    }

    private static String replacement(String kind, String name, Map<String, String> chosen,
            UnaryOperator<String> operands) {
        String modifier = chosen.get(name);
        if (kind.equals("?")) {
            return modifier == null ? "false" : "true";
        }
        if (kind.equals("#")) {
            return modifier.substring(1);
        }
        return switch (name) {
            case "site" -> "$site";
            case "raw" -> Types.carrier(Types.bits(chosen.get("t")));
            case "int" ->
                SIGNED.contains(chosen.get("t")) ? chosen.get("t") : Types.carrier(Types.bits(chosen.get("t")));
            case "space" -> "Space::" + (modifier == null ? "Generic" : SPACES.get(modifier));
            case "order" -> "Order::" + (modifier == null ? "Relaxed" : ORDERS.get(modifier));
            case "scope" -> "Scope::" + (modifier == null ? "Gpu" : SCOPES.get(modifier));
            default -> {
                String operand = operands.apply(name);
                if (operand != null) {
                    yield operand;
                }
                if (modifier == null && !chosen.containsKey(name)) {
                    throw new IllegalArgumentException("no placeholder: $" + name);
                }
                yield modifier == null ? "none" : keyword(modifier);
            }
        };
    }

    /** Some modifiers are words of C++. */
    private static String keyword(String modifier) {
        return List.of("and", "or", "xor", "not").contains(modifier) ? modifier + "_" : modifier;
    }
}
