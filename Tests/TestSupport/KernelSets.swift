import Kernels

extension KernelSet {
    /// Those that this CPU runs, the reference first.
    public static let runnable: [KernelSet] = sequence(first: .baseline, next: \.next).filter(\.isAvailable)
}
