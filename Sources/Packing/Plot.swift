import Foundation

/// Values along one side of a plot.
struct Axis {
    let range: ClosedRange<Double>
    let isLogarithmic: Bool

    /// Wide enough for all values. A logarithmic axis needs them above 0, and is only drawn where they differ by more than a factor of 3.
    init(_ values: [Double], isLogarithmic: Bool) {
        let low = values.min() ?? 1, high = values.max() ?? 2
        self.isLogarithmic = isLogarithmic && high > 3 * low
        if self.isLogarithmic {
            range = low / 1.3...high * 1.3
        } else {
            let margin = max(high - low, abs(high) * 0.05, 1e-12) * 0.1
            range = low - margin...high + margin
        }
    }

    /// 0 to 1 along the axis.
    func place(_ value: Double) -> Double {
        isLogarithmic
            ? log(value / range.lowerBound) / log(range.upperBound / range.lowerBound)
            : (value - range.lowerBound) / (range.upperBound - range.lowerBound)
    }

    /// Round values inside the range, at most `count` of them.
    func ticks(_ count: Int) -> [Double] {
        if isLogarithmic {
            let decades = Int(log10(range.lowerBound).rounded(.down))...Int(log10(range.upperBound).rounded(.up))
            for digits in [[1.0, 2, 5], [1.0, 3], [1.0]] {
                let all = decades.flatMap { decade in digits.map { $0 * pow(10, Double(decade)) } }.filter(range.contains)
                if all.count <= count || digits.count == 1 {
                    let step = (all.count + count - 1) / max(1, count)
                    return stride(from: 0, to: all.count, by: max(1, step)).map { all[$0] }
                }
            }
        }
        let rough = (range.upperBound - range.lowerBound) / Double(max(1, count)), unit = pow(10, log10(rough).rounded(.down))
        let step = [1.0, 2, 5, 10].map { $0 * unit }.first { $0 >= rough } ?? 10 * unit
        let first = (range.lowerBound / step).rounded(.up)
        return (0...count).map { (first + Double($0)) * step }.filter(range.contains)
    }
}

/// A picture with two axes, drawn for one width so that its letters stay legible; no label covers another.
struct Plot {
    private struct Box {
        var x: ClosedRange<Double>, y: ClosedRange<Double>
        func meets(_ other: Box) -> Bool { x.overlaps(other.x) && y.overlaps(other.y) }
    }

    let width: Double
    let height: Double
    let x: Axis
    let y: Axis
    private let left = 62.0, right = 16.0, top = 14.0, bottom = 46.0
    private var marks = ""
    private var labels = ""
    private var taken: [Box] = []
    private var labelled: [(Double, Double)] = []

    init(width: Double, height: Double, x: Axis, y: Axis) { (self.width, self.height, self.x, self.y) = (width, height, x, y) }

    private func point(_ xValue: Double, _ yValue: Double) -> (Double, Double) {
        (left + x.place(xValue) * (width - left - right), height - bottom - y.place(yValue) * (height - top - bottom))
    }

    mutating func line(_ points: [(Double, Double)]) {
        let places = points.map { point($0.0, $0.1) }.map { "\(short($0.0)),\(short($0.1))" }
        marks += "<polyline class=\"curve\" points=\"\(places.joined(separator: " "))\"/>"
    }

    mutating func dot(_ xValue: Double, _ yValue: Double, radius: Double, style: String, title: String) {
        let (a, b) = point(xValue, yValue)
        marks += "<circle class=\"\(style)\" cx=\"\(short(a))\" cy=\"\(short(b))\" r=\"\(short(radius))\"><title>\(escaped(title))</title></circle>"
        taken.append(Box(x: a - radius...a + radius, y: b - radius...b + radius))
    }

    /// Beside a point, where there is room; nowhere if there is none, or so near to another one that it could be either's.
    /// - Parameter above: best above it to the right, as where a line falls through the point.
    mutating func label(_ xValue: Double, _ yValue: Double, _ text: String, radius: Double, above: Bool = false) {
        // Letters of 12 pixels are 7.2 wide on average in the widest of the page's fonts.
        let (a, b) = point(xValue, yValue), long = Double(text.count) * 7.2, gap = radius + 5
        if labelled.contains(where: { abs($0.0 - a) < 24 && abs($0.1 - b) < 17 }) { return }
        let first: [(x: Double, y: Double, anchor: String)] = above ? [(a + gap - 4, b - gap + 4, "start")] : []
        for place in first + [(a + gap, b + 4, "start"), (a - gap, b + 4, "end")] {
            let start = place.anchor == "end" ? place.x - long : place.x
            let box = Box(x: start...start + long, y: place.y - 11...place.y + 3)
            if box.x.lowerBound < left || box.x.upperBound > width || box.y.lowerBound < 0 || box.y.upperBound > height - bottom { continue }
            if taken.contains(where: box.meets) { continue }
            taken.append(box)
            labelled.append((a, b))
            labels += "<text x=\"\(short(place.x))\" y=\"\(short(place.y))\" text-anchor=\"\(place.anchor)\">\(escaped(text))</text>"
            return
        }
    }

    func svg(style: String, name: String, xTitle: String, yTitle: String, xText: (Double) -> String, yText: (Double) -> String) -> String {
        var grid = ""
        for value in y.ticks(6) {
            let place = point(x.range.lowerBound, value).1
            grid += "<line x1=\"\(short(left))\" x2=\"\(short(width - right))\" y1=\"\(short(place))\" y2=\"\(short(place))\"/>"
            grid += "<text x=\"\(short(left - 8))\" y=\"\(short(place + 4))\" text-anchor=\"end\">\(escaped(yText(value)))</text>"
        }
        for value in x.ticks(Int(width / 90)) {
            let place = point(value, y.range.lowerBound).0
            grid += "<line x1=\"\(short(place))\" x2=\"\(short(place))\" y1=\"\(short(top))\" y2=\"\(short(height - bottom))\"/>"
            let anchor = place > width - 40 ? "end" : "middle"
            let textX = short(anchor == "end" ? width - 2 : place), textY = short(height - bottom + 17)
            grid += "<text x=\"\(textX)\" y=\"\(textY)\" text-anchor=\"\(anchor)\">\(escaped(xText(value)))</text>"
        }
        return """
            <svg class="plot \(style)" viewBox="0 0 \(short(width)) \(short(height))" role="img" aria-label="\(escaped(name))">
            <g class="grid">\(grid)</g>\(marks)<g class="labels">\(labels)</g>
            <text class="axis" x="\(short((left + width - right) / 2))" y="\(short(height - 6))" text-anchor="middle">\(escaped(xTitle))</text>
            <text class="axis" transform="translate(14 \(short((height - bottom + top) / 2))) rotate(-90)" text-anchor="middle">\(escaped(yTitle))</text></svg>

            """
    }
}

/// A coordinate with one decimal.
func short(_ value: Double) -> String {
    let text = String(format: "%.1f", value)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}
