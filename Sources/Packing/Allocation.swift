import Foundation

/// One matrix's possible encodings: bytes of file, and estimated loss in bits a row.
struct AllocationItem {
    struct Option {
        var width: WeightWidth
        var byteCount: Int
        var loss: Double
    }

    var options: [Option]
}

/// Which option each item takes, so that the sum of losses is least for the sum of bytes.
///
/// The Lagrangian of LQ-LoRA's and BAQ's allocation (arXiv:2311.12023, 2506.05664): with a price of bytes each item chooses by itself; the price is
/// bisected; then whatever room is left goes to the options that gain most for a byte.
struct Allocation {
    let items: [AllocationItem]

    /// Least total loss in at most so many bytes; nil if the smallest options together are larger.
    func within(byteCount: Int) -> [Int]? {
        if bytes(smallest) > byteCount { return nil }
        var chosen = smallest
        var low = -80.0, high = 20.0  // of the price, as powers of two
        for _ in 0..<60 {
            let middle = (low + high) / 2
            let candidate = choose(price: middle)
            if bytes(candidate) <= byteCount {
                chosen = candidate
                high = middle
            } else {
                low = middle
            }
        }
        return filled(chosen, upTo: byteCount)
    }

    /// The fewest bytes whose total loss is at most so much; nil if the best options together lose more.
    func within(loss: Double) -> [Int]? {
        if self.loss(best) > loss { return nil }
        var chosen = best
        var low = -80.0, high = 20.0
        for _ in 0..<60 {
            let middle = (low + high) / 2
            let candidate = choose(price: middle)
            if self.loss(candidate) <= loss {
                chosen = candidate
                low = middle
            } else {
                high = middle
            }
        }
        return chosen
    }

    func bytes(_ chosen: [Int]) -> Int { zip(items, chosen).reduce(0) { $0 + $1.0.options[$1.1].byteCount } }
    func loss(_ chosen: [Int]) -> Double { zip(items, chosen).reduce(0) { $0 + $1.0.options[$1.1].loss } }

    var smallest: [Int] {
        items.map { item in item.options.indices.min { item.options[$0].byteCount < item.options[$1].byteCount }! }
    }

    /// Of what loses least.
    var best: [Int] { items.map { item in item.options.indices.min { item.options[$0].loss < item.options[$1].loss }! } }

    private func choose(price: Double) -> [Int] {
        let perByte = exp2(price)
        return items.map { item in
            item.options.indices.min {
                item.options[$0].loss + perByte * Double(item.options[$0].byteCount) < item.options[$1].loss + perByte * Double(item.options[$1].byteCount)
            }!
        }
    }

    private func filled(_ chosen: [Int], upTo byteCount: Int) -> [Int] {
        var chosen = chosen
        var room = byteCount - bytes(chosen)
        while true {
            var best: (item: Int, option: Int, gain: Double)?
            for (index, item) in items.enumerated() {
                let now = item.options[chosen[index]]
                for (option, other) in item.options.enumerated() where other.loss < now.loss {
                    let more = other.byteCount - now.byteCount
                    if more > room { continue }
                    let gain = (now.loss - other.loss) / Double(max(1, more))
                    if gain > best?.gain ?? 0 { best = (index, option, gain) }
                }
            }
            guard let best else { return chosen }
            room -= items[best.item].options[best.option].byteCount - items[best.item].options[chosen[best.item]].byteCount
            chosen[best.item] = best.option
        }
    }
}
