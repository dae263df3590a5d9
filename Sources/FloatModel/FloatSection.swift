/// The three parts of a model, in the order in which they act.
public enum FloatSection: String, Sendable, CaseIterable {
    case embedder, core, head
}
