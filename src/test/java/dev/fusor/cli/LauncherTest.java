package dev.fusor.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/** The launcher with a checkout, JDKs and a Maven that are made up: scripts that print what they were given. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "the launcher is a Bash script")
class LauncherTest {
    /** Ends when standard error is closed by all who have it, which the made-up JDKs do not wait for. */
    private static final String WAITING = "set -o pipefail; { \"$@\" 2>&1 >&3 | cat >&2; } 3>&1";
    private static final String NOTICE = "WARNING: Using incubator modules: jdk.incubator.vector";

    @TempDir
    private Path folder;

    private Path checkout;

    private record Outcome(int status, String out, String err) {}

    @BeforeEach
    void makeCheckout() throws IOException {
        checkout = Files.createDirectories(folder.resolve("check out"));
        Files.createDirectories(checkout.resolve("src/main"));
        Files.createDirectories(checkout.resolve("target"));
        Files.writeString(checkout.resolve("pom.xml"), "");
        Files.writeString(checkout.resolve("target/fusor.jar"), "");
        script(checkout.resolve("fusor"), Files.readString(Path.of("fusor")));
        makeOlder("pom.xml", "src/main");
    }

    private void makeOlder(String... files) throws IOException {
        for (String file : files) {
            Files.setLastModifiedTime(checkout.resolve(file), FileTime.from(Instant.EPOCH));
        }
    }

    private static void script(Path file, String text) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    /** A JDK whose java says its name and its last two arguments, and prints some errors. */
    private Path jdk(String name, String version, String... errors) throws IOException {
        Path home = folder.resolve(name);
        StringBuilder java = new StringBuilder("#!/bin/sh\n");
        for (String error : errors) {
            java.append("echo '").append(error).append("' >&2\n");
        }
        java.append("while [ $# -gt 2 ]; do shift; done\necho \"").append(name).append(" <$1> <$2>\"\nexit 7\n");
        script(home.resolve("bin/java"), java.toString());
        script(home.resolve("bin/javac"), "#!/bin/sh\n");
        Files.writeString(home.resolve("release"), "IMPLEMENTOR=\"Any\"\nJAVA_VERSION=\"" + version + "\"\n");
        return home;
    }

    private Outcome launch(Path launcher, Map<String, String> environment, String... arguments)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("bash", "-c", WAITING, "bash", launcher.toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
        builder.environment().remove("JAVA_HOME");
        builder.environment().remove("FUSOR_JAVA_HOME");
        builder.environment().putAll(environment);
        Process process = builder.start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Outcome(process.waitFor(), out, err);
    }

    @Test
    void argumentsAndExitStatusPassThrough() throws Exception {
        Path jdk = jdk("jdk", "25.0.3");
        Outcome outcome = launch(checkout.resolve("fusor"), Map.of("FUSOR_JAVA_HOME", jdk.toString()), "a b", "*");

        assertThat(outcome).isEqualTo(new Outcome(7, "jdk <a b> <*>\n", ""));
    }

    @Test
    void aLinkToItWorksFromAnywhere() throws Exception {
        Path link = Files.createSymbolicLink(folder.resolve("link"), checkout.resolve("fusor"));
        Path jdk = jdk("jdk", "25.0.3");

        assertThat(launch(link, Map.of("FUSOR_JAVA_HOME", jdk.toString()), "a", "b").out()).isEqualTo("jdk <a> <b>\n");
    }

    @Test
    void aFixedJdkIsPreferredToAnEarlierUpdate() throws Exception {
        Map<String, String> environment = Map.of("FUSOR_JAVA_HOME", jdk("early", "25").toString(), "JAVA_HOME",
                jdk("fixed", "25.0.10").toString());

        assertThat(launch(checkout.resolve("fusor"), environment, "a", "b").out()).isEqualTo("fixed <a> <b>\n");
    }

    @Test
    void anOlderJavaIsNotTaken() throws Exception {
        Map<String, String> environment = Map.of("FUSOR_JAVA_HOME", jdk("old", "21.0.9").toString(), "JAVA_HOME",
                jdk("new", "26").toString());

        assertThat(launch(checkout.resolve("fusor"), environment, "a", "b").out()).isEqualTo("new <a> <b>\n");
    }

    @Test
    void onlyTheNoticeOfTheVectorApiIsHeldBack() throws Exception {
        Path jdk = jdk("jdk", "25.0.3", NOTICE, "fusor: first", NOTICE);
        Path quiet = jdk("quiet", "25.0.3", "fusor: first", "fusor: second");
        Path launcher = checkout.resolve("fusor");

        assertThat(launch(launcher, Map.of("FUSOR_JAVA_HOME", jdk.toString()), "a", "b").err())
                .isEqualTo("fusor: first\n" + NOTICE + "\n");
        assertThat(launch(launcher, Map.of("FUSOR_JAVA_HOME", quiet.toString()), "a", "b").err())
                .isEqualTo("fusor: first\nfusor: second\n");
    }

    @Test
    void theJvmTakesItsOptionsInSilence() throws Exception {
        Map<String, String> environment = Map.of("FUSOR_JAVA_HOME", System.getProperty("java.home"));
        Outcome outcome = launch(checkout.resolve("fusor"), environment, "a", "b");

        assertThat(outcome.out()).isEmpty();
        assertThat(outcome.err()).startsWith("Error: Could not find or load main class dev.fusor.cli.Main");
    }

    @Test
    void aSourceNewerThanTheJarIsBuiltFirst() throws Exception {
        Path jdk = jdk("jdk", "25.0.3");
        Path tools = folder.resolve("tools");
        script(tools.resolve("mvn"), "#!/bin/sh\necho noise\necho \"$JAVA25_HOME\" > target/built-by\n");
        Files.writeString(checkout.resolve("src/main/New.java"), "");
        makeOlder("target/fusor.jar");
        Map<String, String> environment = Map.of("FUSOR_JAVA_HOME", jdk.toString(), "PATH",
                tools + ":" + System.getenv("PATH"));
        Outcome outcome = launch(checkout.resolve("fusor"), environment, "a", "b");

        assertThat(outcome).isEqualTo(new Outcome(7, "jdk <a> <b>\n", "fusor: building, once\n"));
        assertThat(checkout.resolve("target/built-by")).hasContent(jdk.toString());
        assertThat(launch(checkout.resolve("fusor"), environment, "a", "b").err()).isEmpty();
    }

    @Test
    void aFailedBuildShowsWhatMavenSaid() throws Exception {
        Path tools = folder.resolve("tools");
        script(tools.resolve("mvn"), "#!/bin/sh\necho the reason\nexit 1\n");
        Files.delete(checkout.resolve("target/fusor.jar"));
        Outcome outcome = launch(checkout.resolve("fusor"), Map.of("FUSOR_JAVA_HOME", jdk("jdk", "25.0.3").toString(),
                "PATH", tools + ":" + System.getenv("PATH")));

        assertThat(outcome.status()).isEqualTo(1);
        assertThat(outcome.out()).isEmpty();
        assertThat(outcome.err()).startsWith("fusor: building, once\nthe reason\nfusor: the build failed;");
    }
}
