package dev.fusor.checkpoint;

import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** What a file that is not safetensors seems to be, judged by its first bytes, and what the user should do. */
enum FileKind {
    LFS_POINTER("a git-lfs pointer and not the data it stands for", "run 'git lfs pull' in its repository"),
    HTML("an HTML page, most likely an error or a login page", "download the file again"),
    ZIP("a zip archive, most likely a PyTorch checkpoint", "convert it with safetensors.torch.save_file"),
    PICKLE("a Python pickle, most likely a PyTorch checkpoint", "convert it with safetensors.torch.save_file"),
    GGUF("a GGUF file", "name the safetensors model it was made from"),
    NPY("a NumPy array", "convert it with safetensors.numpy.save_file"),
    HDF5("an HDF5 file, most likely of Keras or TensorFlow", "convert it with safetensors.tensorflow.save_file"),
    GZIP("gzip data", "unpack it"),
    JSON("JSON text", "name the .safetensors file, its index or its folder"),
    ZEROS("zeros where the header should be, most likely an unfinished download", "download the file again"),
    UNKNOWN(null, null);

    /** How many first bytes are enough. */
    static final int PREFIX = 64;

    private final String description;
    private final String remedy;

    FileKind(String description, String remedy) {
        this.description = description;
        this.remedy = remedy;
    }

    String description() {
        return description;
    }

    String remedy() {
        return remedy;
    }

    static FileKind of(byte[] prefix) {
        String latin = new String(prefix, StandardCharsets.ISO_8859_1);
        String text = latin.stripLeading().toLowerCase(Locale.ROOT);
        if (latin.startsWith("version https://git-lfs")) {
            return LFS_POINTER;
        } else if (text.startsWith("<!doctype") || text.startsWith("<html") || text.startsWith("<?xml")) {
            return HTML;
        } else if (latin.startsWith("PK\3\4")) {
            return ZIP;
        } else if (latin.startsWith("GGUF")) {
            return GGUF;
        } else if (latin.startsWith("\u0093NUMPY")) {
            return NPY;
        } else if (latin.startsWith("\u0089HDF")) {
            return HDF5;
        } else if (latin.startsWith("\u001f\u008b")) {
            return GZIP;
        } else if (prefix.length > 1 && prefix[0] == (byte) 0x80 && prefix[1] >= 2 && prefix[1] <= 5) {
            return PICKLE;
        } else if (text.startsWith("{") || text.startsWith("[")) {
            return JSON;
        }
        return latin.chars().allMatch(c -> c == 0) ? ZEROS : UNKNOWN;
    }
}
