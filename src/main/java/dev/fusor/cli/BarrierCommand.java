package dev.fusor.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.fusor.cli.LossTable.Barrier;
import dev.fusor.merge.MergeException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fusor barrier}: the loss barriers of a path, and their plot. */
@Command(name = "barrier", mixinStandardHelpOptions = true, sortOptions = false, description = "Tells how high the loss barrier along a path is: how much worse than the line between its ends the loss gets, at most.")
final class BarrierCommand implements Callable<Integer> {
    @Spec
    private CommandSpec command;

    @Parameters(index = "0", paramLabel = "TABLE.csv", description = "Columns t and one or more losses, named in the first line; a column 'checkpoint' is passed over.")
    private Path table;

    @Option(names = {"-o", "--output"}, paramLabel = "PLOT.svg", description = "Draw the losses, too.")
    private Path plot;

    @Option(names = "--overwrite", description = "Replace the plot if it exists.")
    private boolean overwrite;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean asJson;

    BarrierCommand() {}

    @Override
    public Integer call() throws IOException, MergeException {
        if (plot != null && !plot.toString().toLowerCase(Locale.ROOT).endsWith(".svg")) {
            throw new UsageException("--output is an SVG image, wanted a name that ends in .svg, got " + plot);
        }
        LossTable losses = LossTable.read(table);
        if (plot != null) {
            if (Files.exists(plot) && !overwrite) {
                throw new MergeException(plot + " exists; give another name, or --overwrite to replace it");
            }
            TextFile.write(plot, new LossPlot(losses).svg());
        }
        PrintWriter out = command.commandLine().getOut();
        if (asJson) {
            Json.print(out, json -> write(json, losses));
        } else {
            print(out, losses);
        }
        return 0;
    }

    private static void print(PrintWriter out, LossTable losses) {
        Table printed = new Table("loss", ">barrier", ">at t", ">at 0", ">at 1");
        for (int loss = 0; loss < losses.names().size(); loss++) {
            Barrier barrier = losses.barrier(loss);
            printed.row(losses.names().get(loss), InspectCommand.number(barrier.height()),
                    InspectCommand.number(barrier.t()), InspectCommand.number(losses.loss(0, loss)),
                    InspectCommand.number(losses.loss(losses.rows().size() - 1, loss)));
        }
        printed.print(out);
    }

    private static void write(JsonGenerator json, LossTable losses) throws IOException {
        json.writeArrayFieldStart("losses");
        for (int loss = 0; loss < losses.names().size(); loss++) {
            json.writeStartObject();
            json.writeStringField("name", losses.names().get(loss));
            json.writeNumberField("barrier", losses.barrier(loss).height());
            json.writeNumberField("at", losses.barrier(loss).t());
            json.writeNumberField("start", losses.loss(0, loss));
            json.writeNumberField("end", losses.loss(losses.rows().size() - 1, loss));
            json.writeEndObject();
        }
        json.writeEndArray();
    }
}
