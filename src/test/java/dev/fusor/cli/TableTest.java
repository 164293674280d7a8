package dev.fusor.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class TableTest {
    private static String printed(Table table) {
        StringWriter text = new StringWriter();
        table.print(new PrintWriter(text, true));
        return text.toString();
    }

    @Test
    void columnsAreAsWideAsTheirWidestCell() {
        Table table = new Table("name", ">bytes");
        table.row("a", 12345678);
        table.row("longer", 1);

        assertThat(printed(table)).isEqualTo("""
                name       bytes
                a       12345678
                longer         1
                """);
    }

    @Test
    void noRowsPrintNothing() {
        assertThat(printed(new Table("name"))).isEmpty();
    }

    @Test
    void controlCharactersAreWrittenOut() {
        assertThat(Table.printable("a\u001b[31mb\n\u202ec")).isEqualTo("a\\u001b[31mb\\u000a\\u202ec");
    }
}
