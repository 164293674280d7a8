package dev.fusor.simulator.ptx;

import java.math.BigInteger;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class ParserTest {
    private static final String HEAD = ".version 8.3\n.target sm_90a, texmode_independent\n.address_size 64\n";

    private static PtxModule parse(String text) {
        return Parser.parse(HEAD + text);
    }

    private static List<Statement> body(String text) {
        return parse(".visible .entry k()\n{\n" + text + "\n}\n").functions().get(0).body();
    }

    private static Statement.Instruction instruction(String text) {
        return (Statement.Instruction) body(text).get(0);
    }

    @Test
    void directivesOfTheModule() {
        PtxModule module = parse("// nothing\n/* over\n lines */ .file 2 \"b.cu\", 17, 4\n.pragma \"x\";");
        assertThat(module.major()).isEqualTo(8);
        assertThat(module.minor()).isEqualTo(3);
        assertThat(module.target()).isEqualTo("sm_90a");
        assertThat(module.files()).containsEntry(2, "b.cu");
    }

    @Test
    void variablesWithTheirSpacesSizesAndValues() {
        List<Variable> variables = parse("""
                .visible .global .align 8 .v2 .f32 pair[3];
                .const .s16 small[] = {-2, 0x7FFF, 010};
                .weak .global .f32 x = 0f3F800000, y = -1.5;
                .extern .shared .align 16 .b8 dynamic[];
                .global .u64 grid[2][3] = {{1, 2}, {3}};
                """).variables();
        assertThat(variables).extracting(Variable::name).containsExactly("pair", "small", "x", "y", "dynamic", "grid");
        assertThat(variables).extracting(Variable::bytes).containsExactly(24L, 6L, 4L, 4L, 0L, 48L);
        assertThat(variables).extracting(Variable::alignment).containsExactly(8, 2, 4, 4, 16, 8);
        assertThat(variables.get(1).initial()).containsExactly(-2, -1, -1, 0x7f, 8, 0);
        assertThat(variables.get(2).initial()).containsExactly(0, 0, -128, 0x3f);
        assertThat(variables.get(3).initial()).containsExactly(0, 0, -64, -65);
        assertThat(variables.get(4).external()).isTrue();
    }

    @Test
    void functionsWithParametersAndDirectives() {
        Function function = parse(
                """
                        .func (.param .b32 r) f(.param .align 8 .b8 s[12], .param .u64 .ptr .global .align 16 p)
                        .noreturn ;
                        .visible .entry k(.param .u64 p) .maxntid 128, 2, 1 .minnctapersm 2 .reqnctapercluster 2 .pragma "nounroll"; { ret; }
                        """)
                .functions().get(1);
        assertThat(function.entry()).isTrue();
        assertThat(function.directives()).containsEntry("maxntid", List.of(128, 2, 1))
                .containsEntry("minnctapersm", List.of(2))
                .containsEntry("reqnctapercluster", List.of(2));
    }

    @Test
    void registersByRangesAndByNames() {
        Statement.Registers range = (Statement.Registers) body(".reg .f32 %f<3>;").get(0);
        assertThat(range.names()).containsExactly("%f0", "%f1", "%f2");
        assertThat(((Statement.Registers) body(".reg .pred p, q;").get(0)).names()).containsExactly("p", "q");
        assertThat(((Statement.Registers) body(".reg.b32 t;").get(0)).type()).isEqualTo("b32");
    }

    @Test
    void instructionsWithAllKindsOfOperands() {
        Statement.Instruction instruction = instruction(
                "@!%p1 foo.a::b.v4 {%r1, _}, [%rd1+-16], [x+4], !q, p|q, -7, 0f7F800000, (a, b), x+8;");
        assertThat(instruction.guard()).isEqualTo("%p1");
        assertThat(instruction.guardNegated()).isTrue();
        assertThat(instruction.modifiers()).containsExactly("a::b", "v4");
        assertThat(instruction.operands()).containsExactly(
                new Operand.Vector(List.of(new Operand.Name("%r1", 0), new Operand.Sink())),
                new Operand.Address(new Operand.Name("%rd1", 0), -16), new Operand.Address(new Operand.Name("x", 0), 4),
                new Operand.Not(new Operand.Name("q", 0)),
                new Operand.Pair(new Operand.Name("p", 0), new Operand.Name("q", 0)),
                new Operand.Whole(BigInteger.valueOf(-7)), new Operand.Real(true, 0x7f800000L),
                new Operand.Arguments(List.of("a", "b")), new Operand.Name("x", 8));
    }

    @Test
    void linesAreThoseOfTheText() {
        assertThat(instruction("\n\n  add.u32 %r1,\n %r2, %r3; // sum").line()).isEqualTo(8);
        assertThat(instruction("\n\n  add.u32 %r1,\n %r2, %r3; // sum").text()).isEqualTo("add.u32 %r1, %r2, %r3;");
    }

    @Test
    void inlinedCodeStandsWhereTheOutermostCallDoes() {
        List<Statement> statements = body("""
                .loc 2 7 3, function_name $L__info_string0, inlined_at 1 90 5
                .loc 3 40 9, function_name $L__info_string1+5, inlined_at 2 7 3
                .loc 1 91 2
                ret;""");
        assertThat(statements.subList(0, 3)).containsExactly(new Statement.Location(1, 90),
                new Statement.Location(1, 90), new Statement.Location(1, 91));
        assertThat(statements).hasSize(4);
    }

    @Test
    void debuggingSectionsAreSkippedAndNoOthers() {
        assertThat(parse(".section .debug_str\n{\n$L__info:\n.b8 1,2,3\n}\n").functions()).isEmpty();
        assertThatThrownBy(() -> parse(".section .text { }")).isInstanceOf(PtxException.class)
                .hasMessageContaining("section .text is not supported, line 4");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            add.u32 %r1, %r2          | wanted ',', got '}'
            .reg .u31 %r;             | '.u31' is no type of a register
            .reg .b32 %r<2000000>;    | 2000000 registers are too many
            add.u32 %r1, 0x;          | '0x' is no number
            add.u32 %r1, #;           | '#' does not belong into PTX
            ld.b32 %r1, [%rd1;        | wanted ']', got ';'
            /* open                   | a comment is not closed
            P: .callprototype _ ();   | indirect calls are not supported
            .local .b8 x[];           | array 'x' has no length
            .shared .b8 x = {1, 2};   | 'x' has 2 values for 1 bytes
            .global .u64 p = x;       | an address as an initial value is not supported
            """)
    void whatIsNoPtxIsRefused(String text, String problem) {
        assertThatThrownBy(() -> body(text)).isInstanceOf(PtxException.class).hasMessageContaining(problem);
    }

    @Test
    void theEndOfTheTextIsSaid() {
        assertThatThrownBy(() -> parse(".visible .entry k() {")).hasMessageContaining("got the end of the text");
        assertThatThrownBy(() -> Parser.parse(""))
                .hasMessageContaining("wanted '.version', got the end of the text, line 1");
    }
}
