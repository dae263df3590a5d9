import Kernels
import Testing

@Suite struct KernelSetTests {
    @Test func theDetectedKernelsAreThoseThatTheCPURuns() {
        #expect(KernelSet.detected == (RowSumsTests.hasAVX2 ? .avx2 : .baseline))
    }
}
