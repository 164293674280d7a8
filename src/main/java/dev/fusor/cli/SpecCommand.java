package dev.fusor.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.fusor.align.Occurrence;
import dev.fusor.align.PermutationGroup;
import dev.fusor.align.PermutationSpec;
import dev.fusor.align.SpecGenerator.Generated;
import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.recipe.RecipeException;
import dev.fusor.recipe.SpecFile;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fusor spec}: makes a permutation spec for a checkpoint, or checks one against it. */
@Command(name = "spec", mixinStandardHelpOptions = true, sortOptions = false, description = "Writes a permutation spec for a checkpoint, from the names and shapes of its tensors; or checks a spec against it and shows its groups.")
final class SpecCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "PATH", description = "A .safetensors file, an index, or a folder.")
    private Path path;

    @Parameters(index = "1", arity = "0..1", paramLabel = "SPEC.yml", description = "The spec to check.")
    private Path file;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean asJson;

    SpecCommand() {}

    @Override
    public Integer call() throws IOException, RecipeException {
        PrintWriter out = spec.commandLine().getOut();
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            if (file == null) {
                Generated generated = Specs.generate(checkpoint);
                print(out, generated.spec(), () -> {
                    out.println("# " + Table.printable(generated.network()));
                    out.print(SpecFile.write(generated.template()));
                    out.flush();
                });
            } else {
                PermutationSpec read = Specs.read(file, checkpoint);
                print(out, read, () -> print(out, read));
            }
        }
        return 0;
    }

    private void print(PrintWriter out, PermutationSpec result, Runnable forPeople) throws IOException {
        if (asJson) {
            Json.print(out, json -> write(json, result));
        } else {
            forPeople.run();
        }
    }

    private static void print(PrintWriter out, PermutationSpec spec) {
        Table table = new Table("group", ">units", ">occurrences");
        spec.groups().forEach(group -> table.row(group.name(), group.units(), spec.of(group).size()));
        table.print(out);
        long moving = spec.tensors().keySet().stream().filter(name -> !spec.in(name).isEmpty()).count();
        out.println("%d groups in %d of %d tensors".formatted(spec.groups().size(), moving, spec.tensors().size()));
    }

    private static void write(JsonGenerator json, PermutationSpec spec) throws IOException {
        json.writeArrayFieldStart("groups");
        for (PermutationGroup group : spec.groups()) {
            json.writeStartObject();
            json.writeStringField("name", group.name());
            json.writeNumberField("units", group.units());
            json.writeArrayFieldStart("occurrences");
            for (Occurrence occurrence : spec.of(group)) {
                json.writeStartObject();
                json.writeStringField("tensor", occurrence.tensor());
                json.writeNumberField("axis", occurrence.axis());
                json.writeNumberField("start", occurrence.start());
                json.writeNumberField("block", occurrence.block());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeEndObject();
        }
        json.writeEndArray();
    }
}
