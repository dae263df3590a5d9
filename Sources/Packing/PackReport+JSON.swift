import Foundation

extension PackReport {
    /// For scripts.
    public var json: String {
        jsonText([
            "description": description, "weights": weights, "parameters": parameterCount, "options": options,
            "unique_parameters": uniqueParameterCount, "file_bytes": fileByteCount, "unique_bytes": uniqueByteCount,
            "bits_per_weight": decimal(bitsPerWeight, 4),
            "parts": Dictionary(uniqueKeysWithValues: parts.map { ($0.part.rawValue, $0.byteCount) }),
            "sections": ["embedder": embedderByteCount, "core": coreByteCount, "head": headByteCount, "tables": tablesByteCount],
            "tokenizer_bytes": tokenizerByteCount, "table_bytes": tableByteCount, "padding_bytes": paddingByteCount,
            "context": contextTokenCount, "arena_bytes": arenaByteCount, "kv_bytes": memory.plan.keyValueByteCount,
            "resident_at_most": memory.residentAtMost, "cannot_run_under": memory.cannotRunUnder,
            "shared": shared.map { ["names": $0.names, "bytes_before": $0.byteCountBefore, "bytes_after": $0.byteCountAfter] as [String: Any] },
            "tensors": tensors.map {
                ["name": $0.name, "part": $0.part.rawValue, "encoding": $0.encoding.shortName, "bytes": $0.byteCount] as [String: Any]
            },
            "matrices": matrices.map { matrix in
                [
                    "name": matrix.name, "part": matrix.part.rawValue, "encoding": matrix.width, "rows": matrix.rows, "columns": matrix.columns,
                    "bytes": matrix.byteCount, "bits_per_weight": decimal(matrix.bitsPerWeight, 4),
                    "error_percent": decimal(100 * matrix.relativeError, 6), "estimated_divergence_bits": decimal(matrix.divergence, 9),
                ] as [String: Any]
            },
            "curve": curve.map { ["file_bytes": $0.fileByteCount, "estimated_loss_percent": decimal(100 * $0.loss, 6)] as [String: Any] },
            "estimated_loss_percent": estimatedLoss.map { decimal(100 * $0, 6) } ?? NSNull(),
            "calibration": calibration.map { ["text": $0.name, "bytes": $0.byteCount, "count": $0.count] as [String: Any] } ?? NSNull(),
            "verification": verification?.object ?? NSNull(),
        ])
    }
}

extension Measurement {
    fileprivate var object: [String: Any] {
        func change(_ cost: Int64?) -> Any { cost.map { decimal(100 * perplexityIncrease($0), 6) } ?? NSNull() }
        return [
            "text": name, "bytes": byteCount, "count": count, "context": context,
            "float_bits_per_byte": decimal(floatBitsPerByte, 8), "bits_per_byte": decimal(bitsPerByte, 8), "loss_percent": decimal(100 * loss, 6),
            "float_perplexity": decimal(floatPerplexity, 6), "perplexity": decimal(perplexity, 6),
            "perplexity_change_percent": decimal(100 * (perplexity / floatPerplexity - 1), 6),
            "rows": rowCount, "divergence_bits": decimal(meanDivergence, 9), "agreement_percent": decimal(100 * agreement, 4),
            "int8_keys_values_change_percent": change(costInt8), "int4_values_change_percent": change(costInt4),
        ]
    }
}
