package dev.fusor.cli;

import com.fasterxml.jackson.core.json.PackageVersion;
import dev.fusor.device.cuda.CudaDriver;
import dev.fusor.device.cuda.CudaSupport;
import dev.fusor.merge.Merger;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code fusor doctor}: what of this machine Fusor can use, and why not the rest. */
@Command(name = "doctor", mixinStandardHelpOptions = true, description = "Shows what of this machine can be used, and why not the rest.")
final class DoctorCommand implements Callable<Integer> {
    private static final Runtime.Version WANTED = Runtime.Version.parse("25.0.3");

    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean asJson;

    DoctorCommand() {}

    /**
     * One thing that was looked at.
     *
     * @param subject what
     * @param good whether it is as fast and as safe as it can be
     * @param finding what was found, and what to do if it is not good
     */
    record Finding(String subject, boolean good, String finding) {}

    @Override
    public Integer call() throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        List<Finding> findings = findings();
        if (asJson) {
            Json.print(out, json -> {
                json.writeArrayFieldStart("findings");
                for (Finding finding : findings) {
                    json.writeStartObject();
                    json.writeStringField("subject", finding.subject());
                    json.writeBooleanField("good", finding.good());
                    json.writeStringField("finding", finding.finding());
                    json.writeEndObject();
                }
                json.writeEndArray();
            });
        } else {
            for (Finding finding : findings) {
                out.println("%-4s %-10s %s".formatted(finding.good() ? "ok" : "no", finding.subject(),
                        Table.printable(finding.finding())));
            }
        }
        return 0;
    }

    private static List<Finding> findings() throws IOException {
        List<Finding> findings = new ArrayList<>();
        findings.add(new Finding("fusor", true, Merger.version()));
        findings.add(java());
        findings.add(vectors());
        findings.add(new Finding("processors",
                true, Runtime.getRuntime().availableProcessors() + " for this process"));
        findings.add(new Finding("heap", true, Sizes.words(Runtime.getRuntime().maxMemory())
                + " at most; it holds headers and plans, no weights (FUSOR_HEAP changes it)"));
        new LinuxMemory(Path.of("/")).describe().ifPresent(text -> findings.add(new Finding("memory", true, text)));
        Path here = Path.of("").toAbsolutePath();
        findings.add(new Finding("disk", true,
                Sizes.words(Files.getFileStore(here).getUsableSpace()) + " free at " + here));
        findings.add(new Finding("libraries", true, "jackson-core " + PackageVersion.VERSION + ", snakeyaml-engine "
                + (isThere("org.snakeyaml.engine.v2.api.Load") ? "found" : "missing: no recipes") + ", picocli "
                + CommandLine.VERSION));
        findings.add(cuda());
        return findings;
    }

    private static Finding java() {
        String text = "%s, %s, %s".formatted(Runtime.version(), System.getProperty("java.vm.vendor"),
                System.getProperty("java.home"));
        boolean good = Runtime.version().compareToIgnoreOptional(WANTED) >= 0;
        return new Finding("java", good, good ? text : text + "; update to " + WANTED + " or later");
    }

    private static Finding vectors() {
        return Specialised.available()
                ? new Finding("vectors", true, "Vector API, %d bits".formatted(Lanes.FLOAT.vectorBitSize()))
                : new Finding("vectors", false,
                        "plain loops give the same bits, more slowly; run java with --add-modules jdk.incubator.vector and without -Dfusor.plain=true");
    }

    private static Finding cuda() {
        CudaSupport support = CudaDriver.probe();
        boolean ready = support instanceof CudaSupport.Ready;
        return new Finding("cuda", ready,
                support.describe() + (ready ? "; taken by --device cuda, while auto is the processor" : ""));
    }

    private static boolean isThere(String className) {
        try {
            Class.forName(className, false, DoctorCommand.class.getClassLoader());
            return true;
        } catch (ClassNotFoundException e) {
            return false;
        }
    }
}
