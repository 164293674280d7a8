package dev.fusor.cli;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Sizes in bytes as people write them: {@code 300MB}, {@code 2.5G}, {@code 1GiB}. */
final class Sizes implements ITypeConverter<Long> {
    private static final Pattern SIZE = Pattern.compile("(\\d+(?:\\.\\d+)?)\\s*([KMGT]?)(i?)B?",
            Pattern.CASE_INSENSITIVE);

    @Override
    public Long convert(String text) {
        Matcher size = SIZE.matcher(text.strip());
        if (!size.matches()) {
            throw new TypeConversionException("'" + text + "' is no size: wanted bytes such as 300MB, 2.5G or 1GiB");
        }
        int power = " KMGT".indexOf(size.group(2).isEmpty() ? " " : size.group(2).toUpperCase(Locale.ROOT));
        return (long) (Double.parseDouble(size.group(1)) * Math.pow(size.group(3).isEmpty() ? 1000 : 1024, power));
    }

    /** Bytes in each second, in words. */
    static String rate(double bytes) {
        return words((long) bytes) + "/s";
    }

    /** A size in words, decimal as disks are sold. */
    static String words(long bytes) {
        if (bytes < 1000) {
            return bytes + " bytes";
        }
        double value = bytes;
        int power = 0;
        while (value >= 999.95 && power < 4) {
            value /= 1000;
            power++;
        }
        return String.format(Locale.ROOT, "%.1f %sB", value, " KMGT".charAt(power));
    }
}
