package dev.fusor;

import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.assignableTo;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackage;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.name;
import static com.tngtech.archunit.core.domain.properties.HasOwner.Predicates.With.owner;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

/** Dependencies point one way: CONTRIBUTING.md has the picture. */
@AnalyzeClasses(packages = "dev.fusor", importOptions = DoNotIncludeTests.class)
class ArchitectureTest {
    private static final String[] FAMILIES = {"dev.fusor.arithmetic..", "dev.fusor.trim..", "dev.fusor.consensus..",
        "dev.fusor.drop..", "dev.fusor.reduce..", "dev.fusor.assign..", "dev.fusor.ensemble..", "dev.fusor.linalg.."};

    @ArchTest
    static final ArchRule PACKAGES_HAVE_NO_CYCLES = slices().matching("dev.fusor.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule LAYERS_POINT_ONE_WAY = layeredArchitecture().consideringOnlyDependenciesInLayers()
            .withOptionalLayers(true)
            .layer("cli").definedBy("dev.fusor.cli..")
            .layer("merge").definedBy("dev.fusor.merge..")
            .layer("recipe").definedBy("dev.fusor.recipe..")
            .layer("align").definedBy("dev.fusor.align..")
            .layer("method").definedBy("dev.fusor.method..")
            .layer("families").definedBy(FAMILIES)
            .layer("device").definedBy("dev.fusor.device..")
            .layer("bindings").definedBy("dev.fusor.bindings..")
            .layer("checkpoint").definedBy("dev.fusor.checkpoint..")
            .layer("simd").definedBy("dev.fusor.simd..")
            .layer("tensor").definedBy("dev.fusor.tensor..")
            .whereLayer("cli").mayNotBeAccessedByAnyLayer()
            .whereLayer("merge").mayOnlyBeAccessedByLayers("cli")
            .whereLayer("recipe").mayOnlyBeAccessedByLayers("merge", "cli")
            .whereLayer("align").mayOnlyBeAccessedByLayers("recipe", "merge", "cli")
            .whereLayer("method").mayOnlyBeAccessedByLayers("recipe", "merge", "cli")
            .whereLayer("families").mayOnlyBeAccessedByLayers("method", "align", "merge", "cli")
            .whereLayer("device").mayOnlyBeAccessedByLayers("families", "method", "align", "merge", "cli")
            .whereLayer("bindings").mayOnlyBeAccessedByLayers("device")
            .whereLayer("checkpoint").mayOnlyBeAccessedByLayers("merge", "cli")
            .whereLayer("simd").mayOnlyBeAccessedByLayers("families", "device", "align", "merge", "cli")
            .because("data goes from checkpoint to tensor to primitive and back, and users enter at the top");

    @ArchTest
    static final ArchRule TENSORS_STAND_ALONE = noClasses().that().resideInAPackage("dev.fusor.tensor..").should()
            .dependOnClassesThat(resideInAPackage("dev.fusor..").and(resideOutsideOfPackage("dev.fusor.tensor..")));

    @ArchTest
    static final ArchRule ONLY_THE_CUDA_DEVICE_USES_BINDINGS = noClasses().that()
            .resideOutsideOfPackages("dev.fusor.device.cuda..", "dev.fusor.bindings..").should()
            .dependOnClassesThat(resideInAPackage("dev.fusor.bindings.."));

    /** The compiler's lint for these is off: it would warn at every line of the generated bindings. */
    @ArchTest
    static final ArchRule WHAT_CAN_CRASH_THE_JVM_IS_CALLED_IN_THREE_PLACES = noClasses().that()
            .resideOutsideOfPackages("dev.fusor.device.cuda..", "dev.fusor.bindings..").and()
            .resideOutsideOfPackage("dev.fusor.checkpoint..").should()
            .callMethodWhere(target(owner(assignableTo(MemorySegment.class))).and(target(name("reinterpret")))
                    .or(target(owner(assignableTo(Linker.class))))
                    .or(target(owner(assignableTo(SymbolLookup.class))))
                    .or(target(owner(assignableTo(AddressLayout.class))).and(target(name("withTargetLayout")))));

    @ArchTest
    static final ArchRule ONLY_THE_COMMAND_LINE_USES_PICOCLI = noClasses().that()
            .resideOutsideOfPackage("dev.fusor.cli..").should().dependOnClassesThat(resideInAPackage("picocli.."));

    @ArchTest
    static final ArchRule ONLY_RECIPES_ARE_YAML = noClasses().that().resideOutsideOfPackage("dev.fusor.recipe..")
            .should().dependOnClassesThat(resideInAPackage("org.snakeyaml.."));

    @ArchTest
    static final ArchRule ONLY_CHECKPOINTS_AND_REPORTS_ARE_JSON = noClasses().that()
            .resideOutsideOfPackages("dev.fusor.checkpoint..", "dev.fusor.merge..", "dev.fusor.cli..").should()
            .dependOnClassesThat(resideInAPackage("com.fasterxml.."));

    @ArchTest
    static final ArchRule NOTHING_ELSE_IS_NEEDED = noClasses().should()
            .dependOnClassesThat(resideOutsideOfPackage("java..").and(not(
                    resideInAnyPackage("dev.fusor..", "jdk.incubator.vector..", "com.fasterxml.jackson.core..",
                            "org.snakeyaml.engine..", "picocli..", ""))));
}
