import CPlatform
import Console
import Guard
import Kernels

// kernel-check [--rounds N]: every set of kernels that this CPU runs against the Swift reference.
@c(main)
func main(_ count: Int32, _ words: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32 {
    guard let rounds = rounds(count, words) else {
        var errors = Writer(2)
        errors.text("usage: kernel-check [--rounds N]\n")
        errors.flush()
        return 2
    }
    guard_catch { signal in
        trial.print("was ended by signal", Int(signal))
        stlm_exit(1)
    }
    var areEqual = true, isAlone = true
    var set = KernelSet.baseline.next
    while let kernels = set {
        if kernels.isAvailable {
            var check = Check(kernels, rounds: rounds)
            check.all()
            check.report()
            if check.differences > 0 { areEqual = false }
            isAlone = false
        }
        set = kernels.next
    }
    if isAlone {
        var output = Writer(1)
        output.text("baseline: this CPU runs no other kernels\n")
        output.flush()
    }
    return areEqual ? 0 : 1
}

/// The number after `--rounds`, or as many as see every shape of a layer; nil if the words say anything else.
private func rounds(_ count: Int32, _ words: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int? {
    if count < 2 { return 7 }
    guard count == 3, let option = words[1], let digits = words[2] else { return nil }
    let name: StaticString = "--rounds"
    for k in 0...name.utf8CodeUnitCount where UInt8(bitPattern: option[k]) != name.utf8Start[k] { return nil }
    var rounds = 0, k = 0
    while digits[k] != 0, k < 6 {
        let digit = Int(digits[k]) - Int(UInt8(ascii: "0"))
        guard 0...9 ~= digit else { return nil }
        rounds = 10 * rounds + digit
        k += 1
    }
    return digits[k] == 0 && rounds > 0 ? rounds : nil
}
