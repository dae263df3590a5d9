extension FloatModel {
    /// Logits (S · C, 258) of x (S, H): all slots of all blocks at once.
    func logits(_ head: FloatByteSlots, _ x: Activations, _ visit: Probe) -> Activations {
        visit(.headInput, x)
        let projected = head.projection.applied(to: x)
        visit(.projection, projected)
        // The projection is slot-major, so that its rows fall apart into slots as they lie.
        var slots = Activations(rows: x.rows * blockSize, columns: head.slotPositions.columns)
        for place in slots.values.indices { slots.values[place] = 2 * projected.values[place] }
        for row in 0..<slots.rows { slots.add(head.slotPositions, row: row % blockSize, to: row) }
        visit(.start(part: .head), slots)
        run(head.schedule, of: .head, on: &slots, groups: blockRows(x.rows), visit)
        visit(.outputInput, slots)
        let logits = head.output.applied(to: slots)
        visit(.logits, logits)
        return logits
    }

    /// Logits (S · C, 258) of x (S, H), where position s writes block s of `next`, or what it holds likeliest.
    func logits(_ head: FloatByteDecoder, _ x: Activations, next: ArraySlice<[Int]>, _ visit: Probe) -> Activations {
        let input = head.norm.applied(to: x)
        visit(.headInput, input)
        let projected = head.projection.applied(to: input)
        visit(.projection, projected)

        var blocks = next.prefix(x.rows).map { $0.prefix(liveSlotCount($0)).map { $0 } }
        for position in blocks.count..<x.rows { blocks.append(greedyBlock(head, projected, position)) }
        // The last symbol of a block is not fed, and of each block only the slots that have a meaning are computed.
        let rows = decoded(head, projected, blocks.enumerated().map { ($0, $1.dropLast()) }, visit)
        var logits = Activations(rows: x.rows * blockSize, columns: rows.columns), row = 0
        for (position, block) in blocks.enumerated() {
            for slot in block.indices {
                let place = (position * blockSize + slot) * rows.columns
                logits.values.replaceSubrange(place..<place + rows.columns, with: rows.row(row))
                row += 1
            }
        }
        return logits
    }

    /// The symbols of a block up to and with the one that closes it.
    func liveSlotCount(_ block: [Int]) -> Int {
        (block.firstIndex { $0 >= Self.padSymbol } ?? blockSize - 1) + 1
    }

    /// Symbol after symbol, each the one with the greatest logit, of equals the least.
    private func greedyBlock(_ head: FloatByteDecoder, _ projected: Activations, _ position: Int) -> [Int] {
        var block: [Int] = []
        while block.count < blockSize, block.last ?? 0 < Self.padSymbol {
            let logits = decoded(head, projected, [(position, block[...])], { _, _ in })
            block.append(logits.row(block.count).indexOfGreatest)
        }
        return block
    }

    /// Logits of one slot more than each block has symbols, row after row: (R, 258) of the projected positions (S, D).
    private func decoded(
        _ head: FloatByteDecoder, _ projected: Activations, _ blocks: [(position: Int, symbols: ArraySlice<Int>)], _ visit: Probe
    ) -> Activations {
        var groups: [Range<Int>] = [], rowCount = 0
        for block in blocks {
            groups.append(rowCount..<rowCount + block.symbols.count + 1)
            rowCount += block.symbols.count + 1
        }
        var slots = Activations(rows: rowCount, columns: projected.columns)
        for (group, block) in zip(groups, blocks) {
            for (slot, symbol) in ([Self.padSymbol] + block.symbols).enumerated() {
                slots.add(projected, row: block.position, to: group.lowerBound + slot)
                slots.add(head.table, row: symbol, to: group.lowerBound + slot)
                slots.add(head.slotPositions, row: slot, to: group.lowerBound + slot)
            }
        }
        visit(.start(part: .head), slots)
        run(head.schedule, of: .head, on: &slots, groups: groups, visit)
        let input = head.finalNorm.applied(to: slots)
        visit(.outputInput, input)
        let logits = head.output.applied(to: input)
        visit(.logits, logits)
        return logits
    }
}
