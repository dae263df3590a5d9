import FloatModel

/// The parts of a model by name, for models that have them.
extension FloatModel {
    var tokenTable: FloatMatrix? {
        if case .tokens(let table, _) = embedder { return table }
        return nil
    }

    var tokenPositions: FloatMatrix? {
        if case .tokens(_, let positions) = embedder { return positions }
        return nil
    }

    var byteEmbedder: FloatByteEmbedder? {
        if case .bytes(let embedder) = embedder { return embedder }
        return nil
    }

    var linearHead: (norm: FloatNorm, output: FloatLinear)? {
        if case .linear(let norm, let output) = head { return (norm, output) }
        return nil
    }

    var byteSlots: FloatByteSlots? {
        if case .byteSlots(let head) = head { return head }
        return nil
    }

    var byteDecoder: FloatByteDecoder? {
        if case .byteDecoder(let head) = head { return head }
        return nil
    }
}
