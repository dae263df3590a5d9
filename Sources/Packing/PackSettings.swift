import Foundation

/// A text that the packer reads: to calibrate with, or to measure on.
public struct PackText: Sendable {
    /// For reports.
    public var name: String
    public var bytes: [UInt8]
    /// What separates its parts, if anything: each part is read by itself, from the beginning of a text.
    public var split: String?

    public init(name: String, bytes: [UInt8], split: String? = nil) {
        (self.name, self.bytes, self.split) = (name, bytes, split)
    }
}

/// What is to become of the weights.
public struct PackSettings: Sendable {
    public enum Goal: Sendable, Equatable {
        /// All matrices alike.
        case width(WeightWidth)
        /// Whatever loses least in a file of at most so many bytes.
        case budget(byteCount: Int)
        /// The smallest file whose bits per byte on the calibration text are at most this much above the float model's: 0.005 is 0.5 %.
        case maximumLoss(Double)
    }

    public var goal: Goal
    /// Exceptions, the last that fits wins: a pattern of names with * and ?, and what the matrices under it become.
    public var overrides: [(pattern: String, type: WeightType)] = []
    /// Bits of what layers read, 8 or 16, by patterns of their matrices' names, the last that fits wins. Where none does: 16 in blocks of
    /// bytes and wherever the codes of the weights have 16; else 8, but with a budget or a greatest loss as many as it takes to lose
    /// little beside the weights.
    public var activationOverrides: [(pattern: String, bits: Int)] = []
    public var calibration: PackText?
    /// Positions of the calibration text that are used.
    public var calibrationPositionCount = 16_384
    public var verification: PackText?
    public var threadCount = ProcessInfo.processInfo.activeProcessorCount
    /// How it was asked for, for the ledger.
    public var words = ""

    public init(_ goal: Goal) { self.goal = goal }
}
