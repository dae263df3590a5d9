import Foundation
import ModelFile

/// Text as it stands in a page.
func escaped(_ text: String) -> String {
    var result = ""
    for character in text.unicodeScalars {
        switch character {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\"": result += "&quot;"
        case "'": result += "&#39;"
        default: result.unicodeScalars.append(character.value < 0x20 && character != "\n" && character != "\t" ? "\u{FFFD}" : character)
        }
    }
    return result
}

/// 199680 as 200 KB: three digits, units of a thousand as in `--budget`.
func sizeText(_ byteCount: Int) -> String {
    var value = Double(byteCount), unit = "bytes"
    for next in ["KB", "MB", "GB"] where value >= 999.5 { (value, unit) = (value / 1000, next) }
    if unit == "bytes" { return "\(byteCount) bytes" }
    return String(format: value >= 99.95 ? "%.0f " : value >= 9.995 ? "%.1f " : "%.2f ", value) + unit
}

/// A fraction in % with two digits that count or more.
func shortPercent(_ fraction: Double, plus: Bool = false) -> String {
    let percent = 100 * fraction, size = abs(percent)
    if size == 0 || size < 0.0005 { return "0 %" }
    let places = size >= 99.5 ? 0 : size >= 9.95 ? 1 : size >= 0.1 ? 2 : 3
    return String(format: plus ? "%+.\(places)f %%" : "%.\(places)f %%", percent)
}

extension Encoding {
    /// As `--weights` has it where it can.
    var shortName: String { WeightWidth(self)?.rawValue ?? name.description }

    /// The class of its colour in a page: from warm, few bits, to cool, many.
    var colourClass: String {
        switch self {
        case .ternary5, .ternary4: "w1"
        case .int2Groups: "w2"
        case .int3Groups: "w3"
        case .int4Groups: "w4"
        case .int5Groups: "w5"
        case .int6Groups: "w6"
        case .int8Rows: "w8"
        case .int16Rows: "w16"
        case .int32Vector, .rotation, .piecewiseLinear, .corrected: "w0"
        }
    }
}
