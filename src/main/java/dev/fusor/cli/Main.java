package dev.fusor.cli;

import dev.fusor.merge.Merger;
import java.io.PrintWriter;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command {@code fusor}. Exit status 0 for success, 1 for a failure, 2 for bad usage. */
@Command(name = "fusor", mixinStandardHelpOptions = true, versionProvider = Main.Version.class, description = "Fuses neural networks: merges checkpoints by mergekit's recipes.", subcommands = {
    MergeCommand.class, AlignCommand.class, SpecCommand.class, PathCommand.class, BarrierCommand.class,
    InspectCommand.class, DiffCommand.class,
    EnsembleCommand.class,
    DoctorCommand.class,
    ExamplesCommand.class})
public final class Main implements Runnable {
    @Spec
    private CommandSpec spec;

    Main() {}

    /**
     * Runs the command line and ends the JVM with its exit status.
     *
     * @param arguments the command line
     */
    public static void main(String[] arguments) {
        int status = run(arguments);
        if (Boolean.getBoolean("fusor.launched")) {
            awaitFilter();
        }
        System.exit(status);
    }

    /** The launcher filters standard error in a child of this process: ends it, so that nothing is printed after the end. */
    private static void awaitFilter() {
        System.err.close();
        ProcessHandle.current().children()
                .forEach(child -> child.onExit().completeOnTimeout(child, 2, TimeUnit.SECONDS).join());
    }

    private static int run(String[] arguments) {
        CommandLine command = commandLine();
        try {
            return command.execute(arguments);
        } catch (OutOfMemoryError | InternalError e) {
            return Failures.handle(e, command);
        }
    }

    static CommandLine commandLine() {
        return new CommandLine(new Main()).setCaseInsensitiveEnumValuesAllowed(true)
                .setParameterExceptionHandler(Main::badUsage).setExecutionExceptionHandler(Failures::handle);
    }

    private static int badUsage(ParameterException e, String[] arguments) {
        PrintWriter err = e.getCommandLine().getErr();
        err.println("fusor: " + e.getMessage());
        err.println("Try '" + e.getCommandLine().getCommandSpec().qualifiedName() + " --help'.");
        return 2;
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is wanted: "
                + String.join(", ", spec.subcommands().keySet()));
    }

    /** The version of the jar. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[]{"fusor " + Merger.version() + " on Java " + Runtime.version()};
        }
    }
}
