package dev.fusor.simulator.ptx;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/** What the translator does not know it refuses, by name and line, with the statement. */
class RefusalTest {
    private static final String HEAD = """
            .version 9.0
            .target sm_90
            .address_size 64
            .global .b32 g;
            .visible .entry k(.param .u64 out)
            {
            .reg .b16 h; .reg .b32 r<4>; .reg .b64 a; .reg .pred p;
            .shared .b32 s[4];
            """;

    private static String translate(String lines) {
        return Translator.translate((HEAD + lines + "\n}\n").getBytes(StandardCharsets.UTF_8), "k.ptx").code();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            tex.2d.v4.f32.s32 r0, r1;       | instruction 'tex' is not supported
            add.rnd.u32 r0, r1, r2;         | modifier '.rnd' of 'add' is not supported
            add.ftz.u32 r0, r1, r2;         | 'add.ftz.u32' is no supported combination of modifiers
            add.f32.rn r0, r1, r2;          | 'add.f32.rn' is no supported combination of modifiers
            cvt.f32.f64 r0, a;              | 'cvt.f32.f64' is no supported combination of modifiers
            fma.f32 r0, r1, r2, r3;         | 'fma.f32' is no supported combination of modifiers
            ld.global.L3::x.b32 r0, [a];    | modifier '.L3::x' of 'ld' is not supported
            add.u32 r0, r1;                 | 'add.u32' does not take these operands
            add.u32 [a], r1, r2;            | 'add.u32' does not take these operands
            add.u32 r0, r1, a;              | register 'a' of 64 bits cannot hold .u32
            add.u64 a, a, r1;               | register 'r1' of 32 bits cannot hold .u64
            add.u32 r9, r1, r2;             | 'r9' is no register to write to
            add.u32 r0, r1, x;              | 'x' is not declared, or not supported
            add.u32 r0, r1, 0x100000000;    | 4294967296 does not fit .u32
            add.u32 r0, r1, 0f3F800000;     | a float is no operand of type .u32
            add.f32 r0, r1, 1;              | a whole number is no operand of type .f32
            selp.b32 r0, r1, r2, r3;        | register 'r3' of 32 bits cannot hold .pred
            mov.u32 r0, %envreg2;           | '%envreg2' is not declared, or not supported
            add.u32 r0, r1, s;              | the address of 's' cannot be this operand
            ld.global.b32 r0, [s];          | 's' is in .shared, which this instruction does not access by name
            ld.b32 r0, [g];                 | 'g' is in .global, which this instruction does not access by name
            ld.param.b64 a, [out+4];        | bytes 4 to 12 are outside parameter 'out' of 8 bytes
            ld.global.b32 r0, [h];          | register 'h' is no address
            bra AWAY;                       | the target of the branch is no label here
            bra.foo AWAY;                   | 'bra.foo' is not supported
            call f, (out);                  | function 'f' is not defined in this module
            call (r0), a, (out), x;         | only direct calls are supported
            call vprintf, (out, out);       | function 'vprintf' is not defined in this module
            @r0 add.u32 r0, r1, r2;         | 'r0' is no predicate
            wgmma.fence.sync.aligned;       | instruction 'wgmma' is not supported
            """)
    void byNameAndLine(String statement, String problem) {
        assertThatThrownBy(() -> translate("\n" + statement)).isInstanceOf(PtxException.class)
                .hasMessageContaining(problem + ", line 10: " + statement)
                .satisfies(e -> assertThat(((PtxException) e).line()).isEqualTo(10));
    }

    @Test
    void namesDeclaredTwice() {
        assertThatThrownBy(() -> translate(".reg .b32 r0;")).hasMessageContaining("register 'r0' is declared twice");
        assertThatThrownBy(() -> translate("L: L: ret;")).hasMessageContaining("label 'L' stands twice");
    }

    @Test
    void labelsOfInnerScopesAreTheirOwn() {
        String code = translate("{ bra L; L: } { bra L; L: } ret;");
        assertThat(code).contains("goto at_L_;", "goto at_L_2_;");
    }

    @Test
    void theModuleIsNamedByTheBytesGiven() throws Exception {
        byte[] ptx = (HEAD + "ret;\n}\n").getBytes(StandardCharsets.UTF_8);
        String sha256 = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(ptx));
        Translator.Translation translation = Translator.translate(ptx, "k.ptx");
        assertThat(translation.sha256()).isEqualTo(sha256);
        assertThat(translation.code()).contains("{fusor::sim::kModuleAbi, \"%s\", \"sm_90\", 9, 0,".formatted(sha256));
    }

    @Test
    void parametersLieAsTheDriverCopiesThem() {
        String code = Translator.translate(
                """
                        .version 9.0
                        .target sm_90
                        .address_size 64
                        .visible .entry k(.param .u8 a, .param .u64 b, .param .align 16 .b8 c[20], .param .f32 d) .reqntid 32, 2 { ret; }
                        """
                        .getBytes(StandardCharsets.UTF_8),
                "k.ptx").code();
        assertThat(code).contains("{0, 1, 1}, {8, 8, 8}, {16, 20, 16}, {36, 4, 4}, ");
        assertThat(code).contains(
                "{\"k\", entry_k_, kParametersOf_entry_k_, 4, 40, nullptr, 0, 0, 0, 0, {32, 2, 1}, 0, {0, 0, 0}}");
    }

    @Test
    void sharedArraysLieApart() {
        String code = translate(".shared .align 64 .b8 t[100]; ret;");
        assertThat(code).contains("{\"s\", 0, 16}, {\"t\", 64, 100}, ");
        assertThat(code).contains(", 2, 256, 164, 0, {0, 0, 0}");
    }
}
