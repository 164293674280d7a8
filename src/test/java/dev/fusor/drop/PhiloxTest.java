package dev.fusor.drop;

import dev.fusor.testing.Tensors;
import java.math.BigInteger;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

class PhiloxTest {
    private static final BigInteger WORD = BigInteger.ONE.shiftLeft(32);

    /** The known answers published with the authors' Random123: counter, key and block as they print them. */
    @ParameterizedTest
    @CsvSource({
        "00000000 00000000 00000000 00000000, 00000000 00000000, 6627e8d5 e169c58d bc57ac4c 9b00dbd8",
        "ffffffff ffffffff ffffffff ffffffff, ffffffff ffffffff, 408f276d 41c83b0e a20bc7c6 6d5451fd",
        "243f6a88 85a308d3 13198a2e 03707344, a4093822 299f31d0, d16cfe09 94fdcceb 5001e420 24126ea1"})
    void givesThePublishedAnswers(String counter, String key, String block) {
        int[] c = words(counter);
        int[] k = words(key);
        assertThat(block(pair(k[0], k[1]), pair(c[2], c[3]), pair(c[0], c[1]))).containsExactly(words(block));
    }

    @Test
    void everyBlockOfARunIsTheOneItsCounterGives() {
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        for (int count : new int[]{1, 2, 7, 8, 9, 63, 64, 65, 256, Philox.BLOCKS}) {
            for (long first : new long[]{0, 0xFFFFFFF0L, random.nextLong() >>> 2}) {
                long key = random.nextLong();
                long stream = random.nextLong();
                Philox philox = Philox.mine();
                philox.fill(key, stream, first, count);
                for (int b = 0; b < count; b++) {
                    assertThat(new int[]{philox.word(4 * b), philox.word(4 * b + 1), philox.word(4 * b + 2),
                        philox.word(4 * b + 3)})
                            .as("block %d of %d from %d, seed %d", b, count, first, Tensors.SEED)
                            .containsExactly(define(key, stream, first + b));
                }
            }
        }
    }

    /** 64-bit FNV-1a as its authors publish it, and the seed over it. */
    @Test
    void keysAreTheSeedOverTheHashOfTheName() {
        assertThat(Philox.key(0, "")).isEqualTo(0xCBF29CE484222325L);
        assertThat(Philox.key(0, "a")).isEqualTo(0xAF63DC4C8601EC8CL);
        assertThat(Philox.key(0, "foobar")).isEqualTo(0x85944171F73967E8L);
        assertThat(Philox.key(-1, "foobar")).isEqualTo(~0x85944171F73967E8L);
        assertThat(Philox.key(0, "é"))
                .isEqualTo(((0xCBF29CE484222325L ^ 0xC3) * 0x100000001B3L ^ 0xA9) * 0x100000001B3L);
    }

    private static int[] block(long key, long stream, long number) {
        Philox philox = Philox.mine();
        philox.fill(key, stream, number, 1);
        return new int[]{philox.word(0), philox.word(1), philox.word(2), philox.word(3)};
    }

    /** The definition of the paper: ten rounds on four words, the key bumped between rounds; slow and exact. */
    private static int[] define(long key, long stream, long number) {
        BigInteger[] c = {word(number), word(number >>> 32), word(stream), word(stream >>> 32)};
        BigInteger k0 = word(key);
        BigInteger k1 = word(key >>> 32);
        for (int round = 0; round < 10; round++) {
            BigInteger[] left = c[0].multiply(BigInteger.valueOf(0xD2511F53L)).divideAndRemainder(WORD);
            BigInteger[] right = c[2].multiply(BigInteger.valueOf(0xCD9E8D57L)).divideAndRemainder(WORD);
            c = new BigInteger[]{right[0].xor(c[1]).xor(k0), right[1], left[0].xor(c[3]).xor(k1), left[1]};
            k0 = k0.add(BigInteger.valueOf(0x9E3779B9L)).mod(WORD);
            k1 = k1.add(BigInteger.valueOf(0xBB67AE85L)).mod(WORD);
        }
        return new int[]{c[0].intValue(), c[1].intValue(), c[2].intValue(), c[3].intValue()};
    }

    private static BigInteger word(long bits) {
        return BigInteger.valueOf(bits & 0xFFFFFFFFL);
    }

    private static int[] words(String hex) {
        String[] parts = hex.strip().split(" ");
        int[] words = new int[parts.length];
        for (int i = 0; i < words.length; i++) {
            words[i] = Integer.parseUnsignedInt(parts[i], 16);
        }
        return words;
    }

    private static long pair(int low, int high) {
        return low & 0xFFFFFFFFL | (long) high << 32;
    }
}
