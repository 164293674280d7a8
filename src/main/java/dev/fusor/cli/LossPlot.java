package dev.fusor.cli;

import java.util.List;
import java.util.Locale;

/** Losses along a path as an SVG picture: a curve for each, and dashed the line between its ends. */
final class LossPlot {
    private static final int WIDTH = 640;
    private static final int HEIGHT = 400;
    private static final int LEFT = 70;
    private static final int TOP = 20;
    private static final int RIGHT = 20;
    private static final int BOTTOM = 50;
    private static final int TICKS = 5;
    /** Told apart by people who do not see all colours (Okabe and Ito). */
    private static final List<String> COLOURS = List.of("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
            "#56b4e9");

    private final LossTable losses;
    private final double least;
    private final double step;
    private final int steps;
    private final StringBuilder svg = new StringBuilder();

    LossPlot(LossTable losses) {
        this.losses = losses;
        double min = Double.POSITIVE_INFINITY;
        double max = Double.NEGATIVE_INFINITY;
        for (double[] row : losses.rows()) {
            for (int i = 1; i < row.length; i++) {
                min = Math.min(min, row[i]);
                max = Math.max(max, row[i]);
            }
        }
        this.step = roundStep((max - min) / TICKS, Math.max(Math.abs(min), Math.abs(max)));
        this.least = Math.floor(min / step) * step;
        this.steps = (int) Math.max(1, Math.ceil((max - least) / step));
    }

    /** The next of 1, 2 and 5 times a power of ten; where all losses are the same, their size decides. */
    private static double roundStep(double wanted, double magnitude) {
        double from = wanted > 1e-12 * magnitude ? wanted : Math.max(magnitude, 1) / TICKS;
        double power = Math.pow(10, Math.floor(Math.log10(from)));
        for (int factor : new int[]{1, 2, 5}) {
            if (factor * power >= from) {
                return factor * power;
            }
        }
        return 10 * power;
    }

    String svg() {
        line("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">",
                WIDTH, HEIGHT);
        line("<rect width=\"%d\" height=\"%d\" fill=\"white\"/>", WIDTH, HEIGHT);
        axes();
        for (int loss = 0; loss < losses.names().size(); loss++) {
            curve(loss);
        }
        line("</svg>");
        return svg.toString();
    }

    private void axes() {
        for (int i = 0; i <= steps; i++) {
            double y = y(least + i * step);
            line("<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/>", LEFT, y, WIDTH - RIGHT);
            line("<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>", LEFT - 6, y + 4, least + i * step);
        }
        for (int i = 0; i <= TICKS; i++) {
            line("<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.1f</text>", x(i / (double) TICKS),
                    HEIGHT - BOTTOM + 18, i / (double) TICKS);
        }
        line("<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">t</text>", x(0.5), HEIGHT - 10);
    }

    private void curve(int loss) {
        String colour = COLOURS.get(loss % COLOURS.size());
        int last = losses.rows().size() - 1;
        StringBuilder points = new StringBuilder();
        for (int row = 0; row <= last; row++) {
            points.append(String.format(Locale.ROOT, " %.1f,%.1f", x(losses.rows().get(row)[0]),
                    y(losses.loss(row, loss))));
        }
        line("<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>", points.substring(1), colour);
        line("<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"%s\" stroke-dasharray=\"4 4\"/>", x(0), y(losses.loss(0, loss)),
                x(1), y(losses.loss(last, loss)), colour);
        line("<text x=\"%d\" y=\"%d\" fill=\"%s\">%s, barrier %.4g</text>", LEFT + 10, TOP + 16 * (loss + 1), colour,
                escaped(losses.names().get(loss)), losses.barrier(loss).height());
    }

    private static double x(double t) {
        return LEFT + t * (WIDTH - LEFT - RIGHT);
    }

    private double y(double loss) {
        return HEIGHT - BOTTOM - (loss - least) / (step * steps) * (HEIGHT - TOP - BOTTOM);
    }

    private void line(String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values)).append('\n');
    }

    private static String escaped(String text) {
        return Table.printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }
}
