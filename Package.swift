// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "stlm",
    products: [
        .library(name: "STLM", targets: ["STLM"]),
        .library(name: "STLMC", type: .static, targets: ["STLMC", "CSTLM"]),
        .executable(name: "stlm-pack", targets: ["stlm-pack"]),
        .executable(name: "stlm-run", targets: ["stlm-run"]),
        .executable(name: "stlm-budget", targets: ["stlm-budget"]),
    ],
    targets: [
        // On the board: integers only, no Foundation, no allocation after start-up, builds as Embedded Swift too.
        .target(name: "FixedPoint"),
        .target(name: "ModelFile"),
        .target(name: "Grammar", dependencies: ["ModelFile"]),
        .target(name: "CKernels"),
        .target(name: "CPlatform"),
        .target(name: "Kernels", dependencies: ["FixedPoint", "ModelFile", "CKernels"]),
        .target(name: "Tokenizers", dependencies: ["ModelFile"]),
        .target(name: "STLM", dependencies: ["FixedPoint", "ModelFile", "Kernels", "Tokenizers", "Grammar", "CPlatform"]),
        .target(name: "CSTLM"),
        .target(name: "STLMC", dependencies: ["STLM", "FixedPoint", "ModelFile", "Kernels", "Tokenizers", "Grammar", "CSTLM", "CPlatform"]),
        .target(name: "Console", dependencies: ["CPlatform"]),
        .target(name: "RunCommands", dependencies: ["STLM", "Grammar", "Console"]),
        .executableTarget(name: "stlm-run", dependencies: ["RunCommands", "CPlatform"]),
        .target(name: "BudgetCommand", dependencies: ["RunCommands", "STLM", "Console"]),
        .executableTarget(name: "stlm-budget", dependencies: ["BudgetCommand", "CPlatform"]),

        // On the developer's machine: Foundation allowed.
        .target(name: "Checkpoints", dependencies: ["ModelFile"]),
        .target(name: "FloatModel", dependencies: ["Checkpoints"]),
        .target(name: "Quantization", dependencies: ["ModelFile"]),
        .target(name: "Packing", dependencies: ["Checkpoints", "FloatModel", "Quantization", "Kernels", "STLM"]),
        .target(name: "PackCommand", dependencies: ["Packing", "CPlatform"]),
        .executableTarget(name: "stlm-pack", dependencies: ["PackCommand"]),

        // Tests: one target a module, and what they share.
        .target(name: "TestSupport", dependencies: ["Checkpoints", "Kernels"], path: "Tests/TestSupport"),
        .target(name: "VNNITwin", dependencies: ["CKernels"], path: "Tests/VNNITwin"),
        .target(name: "PackedSupport", dependencies: ["TestSupport", "Packing", "STLM"], path: "Tests/PackedSupport"),
        .target(name: "CountingAllocator", path: "Tests/CountingAllocator"),
        .executableTarget(name: "peak-memory", path: "Tests/PeakMemory"),
        .executableTarget(
            name: "allocation-check", dependencies: ["STLM", "Grammar", "CPlatform", "CountingAllocator"], path: "Tests/AllocationCheck"),
        .testTarget(name: "FixedPointTests", dependencies: ["FixedPoint", "ModelFile", "TestSupport"]),
        .testTarget(name: "ModelFileTests", dependencies: ["ModelFile", "STLM", "Packing", "TestSupport"]),
        .testTarget(name: "KernelsTests", dependencies: ["Kernels", "CKernels", "TestSupport", "VNNITwin"]),
        .testTarget(name: "TokenizersTests", dependencies: ["Tokenizers", "Packing", "TestSupport"]),
        .testTarget(name: "GrammarTests", dependencies: ["Grammar", "STLM", "PackedSupport", "stlm-run"]),
        .testTarget(name: "STLMTests", dependencies: ["STLM", "PackedSupport", "stlm-run"]),
        .testTarget(name: "STLMCTests", dependencies: ["STLMC", "CSTLM", "STLM", "PackedSupport", "stlm-run"]),
        .testTarget(name: "CheckpointsTests", dependencies: ["Checkpoints", "TestSupport"]),
        .testTarget(name: "FloatModelTests", dependencies: ["FloatModel", "TestSupport"]),
        .testTarget(name: "QuantizationTests", dependencies: ["Quantization", "TestSupport"]),
        .testTarget(name: "PackingTests", dependencies: ["Packing", "PackedSupport"]),
        .testTarget(
            name: "CommandTests", dependencies: ["PackedSupport", "RunCommands", "CPlatform", "stlm-run", "stlm-pack", "stlm-budget", "allocation-check", "peak-memory"]),
        .testTarget(name: "ReferenceTests", dependencies: ["PackedSupport", "stlm-run"]),
        .testTarget(name: "BoardsTests", dependencies: ["PackedSupport", "stlm-run", "stlm-pack", "stlm-budget", "peak-memory"]),
        .testTarget(name: "TidyTests"),
    ]
)
