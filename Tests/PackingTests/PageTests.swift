import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// The page of a report, and what it is drawn from.
@Suite struct PageTests {
    private static let source = SyntheticSTLM {
        ($0.vocabularySize, $0.isFeedForwardShared, $0.layerCount) = (SyntheticTokenizer.mergesVocabularySize, true, 3)
    }
    private static let calibration = PackText(
        name: "train.txt", bytes: Array(String(repeating: "the hen ate in the other bath, then the tent. ", count: 60).utf8))
    private static let verification = PackText(
        name: "held <out> & \"more\".txt", bytes: Array(String(repeating: "in the tent the thin hen ", count: 30).utf8))

    private static func packed(_ goal: PackSettings.Goal, calibrates: Bool = true, verifies: Bool = true) throws -> PackedModel {
        var settings = PackSettings(goal)
        if calibrates { settings.calibration = calibration }
        if verifies { settings.verification = verification }
        return try PackedModel(checkpoint: source.checkpointBytes(), tokenizers: [SyntheticTokenizer.merges], settings: settings)
    }

    /// Chosen for a budget between the smallest file and int8.
    private static let chosen: PackReport = {
        let wide = try! packed(.width(.int8), calibrates: false, verifies: false).bytes.count
        return try! packed(.budget(byteCount: wide * 7 / 10)).report
    }()
    private static let plain = try! packed(.width(.int8), calibrates: false, verifies: false).report

    @Test func aFaultyPageIsFoundFaulty() {
        #expect(markupFaults("<p>a<b>c</p>") == ["</p> closes what is not open", "<p> is not closed"])
        #expect(!markupFaults("<p>a & b</p>").isEmpty && !markupFaults("<p class=a>b</p>").isEmpty && !markupFaults("<p>1 > 0</p>").isEmpty)
        #expect(!markupFaults("<p title=\"<b>\">b</p>").isEmpty && markupFaults("<p title=\"a\" hidden>b &amp; <br>c</p>").isEmpty)
    }

    @Test func pagesAreWellFormedAndStandAlone() {
        for report in [Self.chosen, Self.plain] {
            let page = report.html
            #expect(page.hasPrefix("<!doctype html>"))
            #expect(markupFaults(page) == [])
            for word in ["http", "<script", "<link", "<img", "url(", "@import", "nan", "inf"] { #expect(!page.lowercased().contains(word), "\(word)") }
            #expect(page.contains("prefers-color-scheme:dark") && page.contains("width=device-width"))
        }
    }

    @Test func namesOfAnyKindAreEscaped() {
        var report = Self.chosen
        let name = "</style><b title='a'>\"x\" & \u{1}y</b>"
        (report.description, report.options) = (name, name)
        report.matrices[0].name = name
        report.tensors[0].name = name
        report.shared[0].names = [name, name]
        report.verification?.name = name
        report.calibration?.name = name
        let page = report.html
        #expect(markupFaults(page) == [])
        #expect(page.contains("&lt;/style&gt;&lt;b title=&#39;a&#39;&gt;&quot;x&quot; &amp; \u{FFFD}y&lt;/b&gt;"))
        #expect(!page.contains("<b ") && !page.contains("\u{1}"))
        #expect((try? JSONSerialization.jsonObject(with: Data(report.json.utf8))) is [String: Any])
    }

    @Test func theHeadlinesAreTheReportsNumbers() throws {
        let measured = try #require(Self.chosen.verification), page = Self.chosen.html
        #expect(page.contains(String(format: "%.4f bits per byte, float %.4f", measured.bitsPerByte, measured.floatBitsPerByte)))
        #expect(page.contains("<strong>\(String(format: "%.2f", Self.chosen.bitsPerWeight))</strong>"))
        #expect(page.contains("train.txt") && page.contains("held &lt;out&gt; &amp; &quot;more&quot;.txt"))
        #expect(page.contains("estimated ") && Self.plain.html.contains("not measured"))
        for matrix in Self.chosen.matrices { #expect(page.contains(">\(matrix.name)<")) }
        #expect(page.components(separatedBy: "<circle class=\"dot").count - 1 == 2 * Self.chosen.matrices.count)
    }

    @Test func theBarIsTheFile() throws {
        // Each piece has its bytes in its title; the first bar is the whole file.
        for report in [Self.chosen, Self.plain] {
            let bar = try #require(report.html.components(separatedBy: "<svg class=\"strip\"").last?.components(separatedBy: "</svg>").first)
            let sizes = bar.components(separatedBy: "<title>").dropFirst().compactMap { title in
                title.components(separatedBy: " bytes</title>").first?.components(separatedBy: ", ").last.flatMap {
                    Int($0.replacingOccurrences(of: ",", with: ""))
                }
            }
            #expect(sizes.count > report.tensors.count && sizes.reduce(0, +) == report.fileByteCount)
        }
    }

    @Test func noLetterOfAPictureCoversAnother() throws {
        for report in [Self.chosen, Self.plain] {
            let plots = report.html.components(separatedBy: "<svg class=\"plot ").dropFirst().map { $0.components(separatedBy: "</svg>")[0] }
            #expect(plots.count == (report.curve.isEmpty ? 2 : 4))
            for plot in plots {
                let size = try #require(plot.components(separatedBy: "viewBox=\"0 0 ").last?.prefix { $0 != "\"" }).split(separator: " ")
                let width = try #require(Double(size[0])), height = try #require(Double(size[1]))
                // The last is the title of the vertical axis, which is turned.
                let boxes = try plot.components(separatedBy: "<text").dropFirst().dropLast().map { try textBox($0) }
                #expect(boxes.count > 5)
                for (index, box) in boxes.enumerated() {
                    #expect(box.x.lowerBound >= 0 && box.x.upperBound <= width && box.y.lowerBound >= 0 && box.y.upperBound <= height)
                    for other in boxes[..<index] { #expect(!box.x.overlaps(other.x) || !box.y.overlaps(other.y), "\(box) \(other)") }
                }
            }
        }
    }

    /// Where a text of 12 pixels lies that is written so: ` x="1" y="2" text-anchor="end">text</text>...`
    private func textBox(_ element: String) throws -> (text: String, x: ClosedRange<Double>, y: ClosedRange<Double>) {
        func attribute(_ name: String) -> String? { element.components(separatedBy: " \(name)=\"").dropFirst().first.map { String($0.prefix { $0 != "\"" }) } }
        let x = try #require(attribute("x").flatMap(Double.init)), y = try #require(attribute("y").flatMap(Double.init))
        let text = try #require(element.components(separatedBy: ">").dropFirst().first).components(separatedBy: "<")[0]
        let width = 6.8 * Double(text.count), anchor = attribute("text-anchor")
        let start = anchor == "end" ? x - width : anchor == "middle" ? x - width / 2 : x
        return (text, start...start + width, y - 10...y + 2)
    }

    @Test func theCurveFallsAndTheFileIsOnIt() throws {
        let report = Self.chosen, curve = report.curve, loss = try #require(report.estimatedLoss)
        #expect(curve.count > 10 && Self.plain.curve.isEmpty && Self.plain.estimatedLoss == nil)
        #expect(zip(curve, curve.dropFirst()).allSatisfy { $0.fileByteCount < $1.fileByteCount && $0.loss > $1.loss })
        let below = try #require(curve.last { $0.fileByteCount <= report.fileByteCount })
        let above = try #require(curve.first { $0.fileByteCount >= report.fileByteCount })
        #expect(loss <= below.loss * 1.01 && loss >= above.loss * 0.99, "\(above.loss) \(loss) \(below.loss)")
        #expect(report.html.contains("class=\"curve\"") && !Self.plain.html.contains("class=\"curve\""))
    }

    @Test func theJSONHasAllOfIt() throws {
        let report = Self.chosen, measured = try #require(report.verification)
        let object = try #require(JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any])
        let tensors = try #require(object["tensors"] as? [[String: Any]]), matrices = try #require(object["matrices"] as? [[String: Any]])
        #expect(tensors.reduce(0) { $0 + ($1["bytes"] as? Int ?? 0) } == object["unique_bytes"] as? Int)
        #expect(matrices.count == report.matrices.count)
        for (item, matrix) in zip(matrices, report.matrices) {
            #expect(item["name"] as? String == matrix.name && item["encoding"] as? String == matrix.width && item["bytes"] as? Int == matrix.byteCount)
            #expect(abs((item["error_percent"] as? Double ?? -1) - 100 * matrix.relativeError) < 1e-6)
            #expect(abs((item["estimated_divergence_bits"] as? Double ?? -1) - matrix.divergence) < 1e-9)
        }
        #expect((object["curve"] as? [[String: Any]])?.count == report.curve.count)
        let verification = try #require(object["verification"] as? [String: Any])
        #expect(verification["text"] as? String == measured.name && verification["count"] as? Int == measured.count)
        #expect(abs((verification["loss_percent"] as? Double ?? -1) - 100 * measured.loss) < 1e-6)
        #expect(abs((verification["divergence_bits"] as? Double ?? -1) - measured.meanDivergence) < 1e-9)
        let plain = try #require(JSONSerialization.jsonObject(with: Data(Self.plain.json.utf8)) as? [String: Any])
        #expect(plain["verification"] is NSNull && plain["calibration"] is NSNull && (plain["curve"] as? [Any])?.isEmpty == true)
    }
}
