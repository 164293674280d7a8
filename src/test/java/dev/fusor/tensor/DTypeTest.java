package dev.fusor.tensor;

import java.util.EnumSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

class DTypeTest {
    @ParameterizedTest
    @CsvSource({"BOOL, 8", "F4, 4", "F6_E2M3, 6", "F6_E3M2, 6", "U8, 8", "I8, 8", "F8_E5M2, 8", "F8_E4M3, 8",
        "F8_E8M0, 8", "F8_E4M3FNUZ, 8", "F8_E5M2FNUZ, 8", "I16, 16", "U16, 16", "F16, 16", "BF16, 16", "I32, 32",
        "U32, 32", "F32, 32", "C64, 64", "F64, 64", "I64, 64", "U64, 64"})
    void everyTypeHasTheBitsThatSafetensorsGivesIt(DType type, int bits) {
        assertThat(type.bits()).isEqualTo(bits);
    }

    @Test
    void sixTypesAreComputedWithAndTheOthersCarriedThrough() {
        EnumSet<DType> arithmetic = EnumSet.allOf(DType.class);
        arithmetic.removeIf(type -> !type.isArithmetic());
        assertThat(arithmetic).containsExactlyInAnyOrder(DType.F64, DType.F32, DType.F16, DType.BF16, DType.F8_E4M3,
                DType.F8_E5M2);
    }

    @ParameterizedTest
    @CsvSource({"F64, 10, 80", "BF16, 3, 6", "BOOL, 7, 7", "F4, 4, 2", "F6_E2M3, 4, 3", "F6_E3M2, 8, 6", "C64, 2, 16",
        "F32, 0, 0", "F4, 0, 0", "F8_E4M3, 9223372036854775807, 9223372036854775807",
        "F64, 1152921504606846975, 9223372036854775800"})
    void elementsTakeTheBytesOfTheirType(DType type, long elements, long bytes) {
        assertThat(type.byteSize(elements)).isEqualTo(bytes);
    }

    @Test
    void sizesThatCannotBeAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> DType.F4.byteSize(3))
                .withMessage("3 elements of F4 at 4 bits each do not fill whole bytes");
        assertThatIllegalArgumentException().isThrownBy(() -> DType.F6_E2M3.byteSize(2))
                .withMessage("2 elements of F6_E2M3 at 6 bits each do not fill whole bytes");
        assertThatIllegalArgumentException().isThrownBy(() -> DType.F64.byteSize(1L << 60))
                .withMessage("1152921504606846976 elements of F64 exceed 2^63 bytes");
        assertThatIllegalArgumentException().isThrownBy(() -> DType.F64.byteSize(-1))
                .withMessage("the number of elements is 0 or more, got -1");
    }

    @ParameterizedTest
    @CsvSource({"bfloat16, BF16", "torch.float16, F16", "half, F16", "FLOAT32, F32", "float, F32", "torch.double, F64",
        "float64, F64", "torch.float8_e4m3fn, F8_E4M3", "float8_e5m2, F8_E5M2", "int64, I64", "int32, I32",
        "int16, I16", "int8, I8", "uint8, U8", "bool, BOOL", "f8_e4m3, F8_E4M3"})
    void typesAreKnownByTheNamesOfPyTorch(String name, DType type) {
        assertThat(DType.parse(name)).isEqualTo(type);
    }

    @ParameterizedTest
    @EnumSource
    void typesAreKnownByTheNamesOfSafetensors(DType type) {
        assertThat(DType.parse(type.name())).isEqualTo(type);
    }

    @Test
    void anUnknownNameIsAnsweredWithTheKnownOnes() {
        assertThatIllegalArgumentException().isThrownBy(() -> DType.parse("bf17")).withMessage(
                "unknown dtype 'bf17': wanted one of float32, float16, bfloat16, float64, float8_e4m3fn, float8_e5m2, or a safetensors name such as BF16");
    }
}
