package dev.fusor.device.cuda;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.util.List;
import java.util.Locale;

/** The element types that kernels compute with; F64 is for the CPU. */
public final class CudaFormats {
    /** All of them, in the order of their numbers in formats.cuh. */
    public static final List<DType> ALL = List.of(DType.F32, DType.F16, DType.BF16, DType.F8_E4M3, DType.F8_E5M2);

    private CudaFormats() {}

    /**
     * {@return whether kernels take tensors of a type}
     *
     * @param type of inputs or outputs
     */
    public static boolean supports(DType type) {
        return ALL.contains(type);
    }

    /**
     * {@return the number by which kernels know a type}
     *
     * @param type one of {@link #ALL}
     */
    public static int number(DType type) {
        return ALL.indexOf(type);
    }

    /**
     * {@return the kernel of an element type, out of the PTX of that type}
     *
     * @param stream on whose device it will run
     * @param family the folder of the PTX
     * @param module the name of the PTX without the type
     * @param type one of {@link #ALL}
     * @param kernel its name in the PTX
     */
    public static CudaKernel kernel(CudaStream stream, String family, String module, DType type, String kernel) {
        return stream.device().kernel(family + "/" + module + "_" + type.name().toLowerCase(Locale.ROOT), kernel);
    }

    /**
     * Checks that a tensor lies in device memory, each element at a multiple of its size.
     *
     * @param tensor of one of {@link #ALL}
     * @throws IllegalArgumentException if not
     */
    public static void requirePlaced(Tensor tensor) {
        long elementBytes = tensor.dtype().byteSize(1);
        if (CudaMemory.address(tensor.data()) % elementBytes != 0) {
            throw new IllegalArgumentException(
                    "on a device elements lie at multiples of their size, got %s at address 0x%x: copy it to a multiple of %d bytes"
                            .formatted(tensor, tensor.data().address(), elementBytes));
        }
    }

    /**
     * Checks a tensor of an item of a launch.
     *
     * @param launch what it is, for the message
     * @param tensor an input or an output
     * @param wanted the type of all inputs, or of all outputs
     * @param elements of every tensor of the item
     * @throws IllegalArgumentException if it is of another type or length, or lies where {@link #requirePlaced} does not allow
     */
    public static void require(String launch, Tensor tensor, DType wanted, long elements) {
        if (!supports(tensor.dtype()) || tensor.dtype() != wanted || tensor.elements() != elements) {
            throw new IllegalArgumentException(
                    "%s on a device takes inputs of one type and outputs of one, each one of %s, and of equal length; got %s where %s of %d elements was wanted"
                            .formatted(launch, ALL, tensor, wanted, elements));
        }
        requirePlaced(tensor);
    }
}
