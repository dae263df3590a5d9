extension FloatModel {
    /// Runs a schedule on the stream x (R, D). Attention stays within each of `groups`: the whole text in the core, a block
    /// elsewhere.
    func run(
        _ schedule: [FloatStep], of part: FloatSection, on x: inout Activations, groups: [Range<Int>], _ visit: Probe
    ) {
        for (index, step) in schedule.enumerated() {
            if let attention = step.attention.map({ attentions[$0] }) {
                let input = step.attentionNorm.map { norms[$0].applied(to: x) } ?? x
                visit(.attentionInput(step: index, part: part), input)
                var vectors = attention.qkv.applied(to: input)
                if attention.rotary { attention.rotate(&vectors, groups: groups) }
                visit(.attentionVectors(step: index, part: part), vectors)
                let mix = attention.mixed(vectors, groups: groups)
                visit(.attentionMix(step: index, part: part), mix)
                let output = attention.output.applied(to: mix)
                visit(.attentionOutput(step: index, part: part), output)
                x.add(output)
            }
            visit(.middle(step: index, part: part), x)
            if let feedForward = step.feedForward.map({ feedForwards[$0] }) {
                let input = step.feedForwardNorm.map { norms[$0].applied(to: x) } ?? x
                visit(.feedForwardInput(step: index, part: part), input)
                var inner = feedForward.up.applied(to: input)
                visit(.feedForwardUp(step: index, part: part), inner)
                if let gate = feedForward.gate?.applied(to: input) {
                    visit(.feedForwardGate(step: index, part: part), gate)
                    let opened = feedForward.activation.applied(to: gate)
                    for place in inner.values.indices { inner.values[place] *= opened.values[place] }
                } else {
                    inner = feedForward.activation.applied(to: inner)
                }
                visit(.feedForwardInner(step: index, part: part), inner)
                let output = feedForward.down.applied(to: inner)
                visit(.feedForwardOutput(step: index, part: part), output)
                if step.replaces { x = output } else { x.add(output) }
            }
            visit(.residual(step: index, part: part), x)
        }
    }
}
