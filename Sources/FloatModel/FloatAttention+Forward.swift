import Foundation

extension FloatAttention {
    /// Turns each adjacent pair of every query and key by an angle that grows with its position; values stay.
    ///
    /// Each of `groups` is a sequence of rows by itself, counted from 0.
    func rotate(_ vectors: inout Activations, groups: [Range<Int>]) {
        let half = headSize / 2
        let frequencies = (0..<half).map { pow(ropeBase, -2 * Double($0) / Double(headSize)) }
        for (first, row) in groups.flatMap({ group in group.map { (group.lowerBound, $0) } }) {
            for pair in 0..<half {
                let angle = Double(row - first) * frequencies[pair]
                let cosine = cos(angle), sine = sin(angle)
                for head in 0..<headCount + kvHeadCount {
                    let place = row * vectors.columns + head * headSize + 2 * pair
                    let (a, b) = (vectors.values[place], vectors.values[place + 1])
                    vectors.values[place] = a * cosine - b * sine
                    vectors.values[place + 1] = a * sine + b * cosine
                }
            }
        }
    }

    /// softmax(q k / √d) v for every head, heads side by side, (R, headCount · headSize). No row sees another group.
    func mixed(_ vectors: Activations, groups: [Range<Int>]) -> Activations {
        var result = Activations(rows: vectors.rows, columns: headCount * headSize)
        let keys = headCount * headSize, values = keys + kvHeadCount * headSize
        let width = vectors.columns, queriesPerKey = headCount / kvHeadCount
        let scale = 1 / Double(headSize).squareRoot()
        var weights = [Double](repeating: 0, count: vectors.rows)
        vectors.values.withUnsafeBufferPointer { vectors in
            for head in 0..<headCount {
                let shared = head / queriesPerKey * headSize
                for (group, position) in groups.flatMap({ group in group.map { (group, $0) } }) {
                    let visible = isCausal ? group.lowerBound...position : group.lowerBound...group.upperBound - 1
                    var largest = -Double.infinity
                    for other in visible {
                        let query = position * width + head * headSize, key = other * width + keys + shared
                        var score = 0.0
                        for index in 0..<headSize { score += vectors[query + index] * vectors[key + index] }
                        weights[other] = score * scale
                        largest = max(largest, weights[other])
                    }
                    var sum = 0.0
                    for other in visible {
                        weights[other] = exp(weights[other] - largest)
                        sum += weights[other]
                    }
                    let place = position * result.columns + head * headSize
                    for other in visible {
                        let weight = weights[other] / sum, value = other * width + values + shared
                        for index in 0..<headSize { result.values[place + index] += weight * vectors[value + index] }
                    }
                }
            }
        }
        return result
    }
}
