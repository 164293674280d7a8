package dev.fusor.recipe;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;

/** The keys of a mapping, each once. */
final class Fields {
    private final Value owner;
    /** The key's own place, whose path is the owner's. */
    private final Map<String, Value> keys = new LinkedHashMap<>();
    private final Map<String, Value> values = new LinkedHashMap<>();

    private Fields(Value owner) {
        this.owner = owner;
    }

    /** Any keys. */
    static Fields open(Value owner) throws RecipeException {
        if (!(owner.node() instanceof MappingNode mapping)) {
            throw owner.problem("wanted a mapping (key: value)");
        }
        Fields fields = new Fields(owner);
        for (NodeTuple tuple : mapping.getValue()) {
            Value key = new Value(owner.source(), tuple.getKeyNode(), owner.path());
            if (!(tuple.getKeyNode() instanceof ScalarNode scalar)) {
                throw key.problem("a key is plain text");
            }
            String name = scalar.getValue();
            if (name.equals("<<")) {
                throw key.problem("merge keys (<<) are not supported; write the keys out");
            }
            Value first = fields.keys.putIfAbsent(name, key);
            if (first != null) {
                throw key.problem(
                        "the key %s stands in line %d already".formatted(Words.quote(name), first.place().line()));
            }
            fields.values.put(name, owner.at(name, tuple.getValueNode()));
        }
        return fields;
    }

    /** These keys and no others; for some of the others there is advice. */
    static Fields of(Value owner, Collection<String> known, Map<String, String> advice) throws RecipeException {
        Fields fields = open(owner);
        for (Map.Entry<String, Value> key : fields.keys.entrySet()) {
            String name = key.getKey();
            if (!known.contains(name)) {
                String hint = advice.containsKey(name) ? ": " + advice.get(name) : Words.didYouMean(name, known);
                throw key.getValue().problem("unknown key " + Words.quote(name) + hint);
            }
        }
        return fields;
    }

    Map<String, Value> all() {
        return values;
    }

    /** The place of a key that is there. */
    Value key(String name) {
        return keys.get(name);
    }

    /** Nothing if the key is absent or its value is null. */
    Optional<Value> get(String name) {
        return Optional.ofNullable(values.get(name)).filter(value -> !value.isNull());
    }

    Value require(String name) throws RecipeException {
        return get(name).orElseThrow(() -> owner.problem("the key '%s' is missing".formatted(name)));
    }
}
