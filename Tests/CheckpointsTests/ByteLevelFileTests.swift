import Checkpoints
import Foundation
import TestSupport
import Testing

/// vocab.json with merges.txt, and tokenizer.json.
@Suite struct ByteLevelFileTests {
    private let files = ByteLevelFiles()

    private func read(_ files: Data..., size: Int? = nil) throws -> ByteLevelTokenizer {
        let source = try TokenizerFile.recognise(files, vocabularySize: size ?? self.files.count)
        guard case .byteLevel(let tokenizer) = source else { throw CheckpointError.tokenizer("another kind") }
        return tokenizer
    }

    /// The sentence of a refusal: one line that ends as a sentence does.
    private func refusal(_ files: Data..., size: Int? = nil) -> String {
        do {
            _ = try TokenizerFile.recognise(files, vocabularySize: size ?? self.files.count)
            return "no error"
        } catch {
            #expect(error.description.hasSuffix(".") && !error.description.contains("\n") && error.description.count < 600, "\(error)")
            return error.description
        }
    }

    private func pair(_ vocabulary: String, size: Int? = nil) -> String {
        refusal(Data("{\(vocabulary)}".utf8), files.mergesText, size: size ?? files.count)
    }

    private func check(_ tokenizer: ByteLevelTokenizer, isPreSplit: Bool = true) {
        #expect(tokenizer.pieces.count == 261)
        #expect(tokenizer.pieces[0] == [33] && tokenizer.pieces[188] == [0] && tokenizer.pieces[220] == [32] && tokenizer.pieces[255] == [173])
        let made = ["he", " t", " the", "é", "<|endoftext|>"].map { Array($0.utf8) }
        #expect(Array(tokenizer.pieces[256...]) == made)
        #expect(tokenizer.merges.map { [$0.left, $0.right, $0.result] } == [[71, 68, 256], [220, 83, 257], [257, 256, 258], [127, 102, 259]])
        #expect(tokenizer.specialIds == [260] && tokenizer.isPreSplit == isPreSplit)
    }

    @Test func readsAPairInEitherOrder() throws {
        check(try read(files.vocabulary, files.mergesText))
        check(try read(files.mergesText, files.vocabulary))
        // Without the line of the version, with carriage returns, without a last line end.
        let text = String(decoding: files.mergesText, as: UTF8.self).split(separator: "\n").dropFirst()
        check(try read(files.vocabulary, Data(text.joined(separator: "\r\n").utf8)))
        let bare = ByteLevelFiles([])
        #expect(try read(bare.vocabulary, Data(), size: 257).merges.isEmpty)
        #expect(try read(bare.vocabulary, Data("#version: 0.2\n".utf8), size: 257).specialIds == [256])
    }

    @Test func readsTokenizerJSON() throws {
        check(try read(files.tokenizerJSON()))
        // Merges as pairs; the end in the vocabulary too; a sequence of one; the old form without types and defaults.
        let pairs = "[" + files.merges.map { "[\(ByteLevelFiles.json($0.0)), \(ByteLevelFiles.json($0.1))]" }.joined(separator: ",") + "]"
        let list = "[" + files.merges.map { ByteLevelFiles.json("\($0.0) \($0.1)") }.joined(separator: ", ") + "]"
        check(try read(files.tokenizerJSON("model", list, by: pairs)))
        check(try read(files.tokenizerJSON("model", "}, \"merges\"", by: ", \(ByteLevelFiles.id("<|endoftext|>", 260))}, \"merges\"")))
        let byteLevel = "{\"type\": \"ByteLevel\", \"add_prefix_space\": false}"
        check(try read(files.tokenizerJSON(["pre_tokenizer": "{\"type\": \"Sequence\", \"pretokenizers\": [\(byteLevel)]}"])))
        check(try read(files.tokenizerJSON("model", "\"type\": \"BPE\", ", by: "")))
        check(try read(files.tokenizerJSON(["post_processor": nil, "decoder": nil, "normalizer": nil, "truncation": nil])))
        check(try read(files.tokenizerJSON("pre_tokenizer", "\"use_regex\": true", by: "\"use_regex\": false")), isPreSplit: false)
        // A special token is literal: it need not be spelled in the alphabet.
        let literal = files.tokenizerJSON("added_tokens", "<|endoftext|>", by: "< end of \u{6587} >")
        #expect(try read(literal).pieces[260] == Array("< end of \u{6587} >".utf8))
    }

    @Test func namesWhatIsMissingOfAPair() {
        #expect(refusal(files.vocabulary).contains("its merges.txt is missing"))
        #expect(refusal(files.mergesText).contains("its vocab.json is missing"))
        #expect(refusal(Data("a b\n".utf8)).contains("its vocab.json is missing"))
    }

    @Test func refusesWhatIsNoPair() {
        let merges = Data("104 101\n".utf8), llama = Data([5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 97])
        let pairs = [
            (files.vocabulary, files.vocabulary, "a vocab.json and a vocab.json"), (files.mergesText, files.mergesText, "a merges.txt and a merges.txt"),
            (files.vocabulary, merges, "a vocab.json and an STLM merge list"), (llama, files.vocabulary, "a llama2.c tokenizer.bin and a vocab.json"),
            (files.tokenizerJSON(), files.mergesText, "a tokenizer.json and a merges.txt"), (Data(), merges, "an STLM merge list and an STLM"),
        ]
        for (first, second, names) in pairs {
            #expect(refusal(first, second).contains("The two tokenizer files, \(names)"), "\(names)")
        }
        #expect(refusal(files.vocabulary, files.mergesText, files.mergesText).contains("There are 3 tokenizer files"))
        #expect(refusal().contains("There are 0 tokenizer files"))
    }

    @Test func refusesAVocabularyOfAnotherSizeWithBothNumbers() {
        for size in [0, 256, 260, 262, 50_257] {
            #expect(refusal(files.vocabulary, files.mergesText, size: size).contains("has 261 tokens and the model \(size)"))
            #expect(refusal(files.tokenizerJSON(), size: size).contains("has 261 tokens and the model \(size)"))
        }
    }

    @Test func refusesIdsThatAreNotEachOnce() {
        let entries = files.entries, all = entries.joined(separator: ",")
        func replaced(_ id: Int, by text: String) -> String {
            let key = entries[id].prefix { $0 != ":" }
            return (entries[..<id] + ["\(key): \(text)"] + entries[(id + 1)...]).joined(separator: ",")
        }
        #expect(pair(replaced(256, by: "3")).contains("the pieces '$' and 'he' the same id 3"))
        for id in ["261", "-1", "2.0", "1e2", "99999999999999999999999999"] {
            #expect(pair(replaced(256, by: id)).contains("gives the piece 'he' the id \(id), but its 261 pieces have the ids 0 to 260"), "\(id)")
        }
        #expect(pair(replaced(256, by: String(repeating: "9", count: 4_000))).contains("the id 999999999999999999999999999999..."))
        #expect(pair(replaced(256, by: "007")).contains("a number begins with 0"))
        #expect(pair(replaced(256, by: "\"256\"")).contains("has '256' for 'he', where a vocab.json has an id"))
        #expect(pair(all + ", \"he\": 261", size: 262).contains("the entry 'he' is there twice"))
        #expect(pair(all + ", \"\": 261", size: 262).contains("the id 261 to a piece of no bytes"))
        // Written differently, and yet the same.
        #expect(pair(all + ", \"\\u0068e\": 261", size: 262).contains("the entry 'he' is there twice"))
    }

    @Test func refusesPiecesThatAreNotBytes() {
        let all = files.entries.joined(separator: ",")
        for (text, name) in [("a b", "U+20"), ("文", "U+6587"), ("a\\n", "U+A"), ("\u{AD}", "U+AD"), ("\\ud83d\\ude00", "U+1F600")] {
            #expect(pair(all + ", \"\(text)\": 261", size: 262).contains("with the character \(name), which is none of"), "\(text)")
        }
        // One byte less.
        let few = files.entries.map { $0 == "\"A\": 32" ? "\"AA\": 32" : $0 }.joined(separator: ",")
        #expect(pair(few).contains("has no piece for the byte 65 ('A')"))
    }

    @Test func namesTheLineOfABadMerge() {
        func merges(_ line: String) -> String {
            refusal(files.vocabulary, Data("#version: 0.2\nh e\n\(line)\nĠ t\n".utf8))
        }
        #expect(merges("x yz").contains("Line 3 of merges.txt names the piece 'yz', which vocab.json does not have"))
        #expect(merges("文 t").contains("Line 3 of merges.txt names the piece '文'"))
        #expect(merges("x y").contains("Line 3 of merges.txt makes the piece 'xy', which vocab.json does not have"))
        #expect(merges("h e").contains("Line 3 of merges.txt repeats the pair 'h' 'e'"))
        for line in ["", "h", "h  e", "h e l", " h", "h "] {
            let words = merges(line)
            #expect(words.contains("Line 3 of merges.txt is not two pieces") || words.contains("Line 3 of merges.txt names the piece ''"), "\(words)")
        }
        let many = ByteLevelFiles([("h", "e")])
        #expect(refusal(many.vocabulary, Data("#version: 0.2\n#version: 0.2\n".utf8), size: 258).contains("Line 2 of merges.txt names the piece"))
    }

    @Test func namesWhatIsNotReadOfATokenizerJSON() {
        let cases: [(Data, String)] = [
            (files.tokenizerJSON(["normalizer": "{\"type\": \"NFC\"}"]), "has the normalizer 'NFC'"),
            (files.tokenizerJSON(["pre_tokenizer": "{\"type\": \"Whitespace\"}"]), "has the pre_tokenizer 'Whitespace'"),
            (files.tokenizerJSON(["pre_tokenizer": "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\"}]}"]), "pre_tokenizer 'Digits'"),
            (files.tokenizerJSON(["pre_tokenizer": "{\"type\": \"Sequence\", \"pretokenizers\": []}"]), "pre_tokenizer 'Sequence of 0'"),
            (files.tokenizerJSON(["pre_tokenizer": "{\"type\": \"Sequence\"}"]), "pre_tokenizer 'Sequence'"),
            (files.tokenizerJSON(["pre_tokenizer": "null"]), "has no pre_tokenizer"),
            (files.tokenizerJSON("pre_tokenizer", "\"add_prefix_space\": false", by: "\"add_prefix_space\": true"), "add_prefix_space"),
            (files.tokenizerJSON("pre_tokenizer", "\"use_regex\": true", by: "\"use_regex\": 1"), "use_regex 1"),
            (files.tokenizerJSON(["post_processor": "{\"type\": \"TemplateProcessing\"}"]), "post_processor 'TemplateProcessing'"),
            (files.tokenizerJSON(["decoder": "{\"type\": \"WordPiece\"}"]), "decoder 'WordPiece'"),
            (files.tokenizerJSON("model", "\"BPE\"", by: "\"Unigram\""), "has the model 'Unigram'"),
            (files.tokenizerJSON(["model": "{\"vocab\": {}}"]), "without type and merges"),
            (files.tokenizerJSON("model", "\"dropout\": null", by: "\"dropout\": 0.1"), "dropout 0.1"),
            (files.tokenizerJSON("model", "\"unk_token\": null", by: "\"ignore_merges\": true"), "ignore_merges true"),
            (files.tokenizerJSON("model", "\"unk_token\": null", by: "\"byte_fallback\": true"), "byte_fallback true"),
            (files.tokenizerJSON("model", "\"end_of_word_suffix\": \"\"", by: "\"end_of_word_suffix\": \"</w>\""), "end_of_word_suffix '</w>'"),
            (files.tokenizerJSON(["model": "{\"type\": \"BPE\", \"vocab\": [], \"merges\": []}"]), "vocab is not an object"),
            (files.tokenizerJSON("model", "\"merges\": [", by: "\"merges\": 1, \"more\": ["), "merges is not a list"),
            (files.tokenizerJSON("model", "\"h e\"", by: "[\"h\", 1]"), "Merge 1 of tokenizer.json is not two pieces (a list)"),
            (files.tokenizerJSON("model", "\"h e\"", by: "\"h  e\""), "Merge 1 of tokenizer.json is not two pieces ('h  e')"),
            (files.tokenizerJSON("model", "\"h e\"", by: "\"h <|endoftext|>\""), "Merge 1 of tokenizer.json names the special token"),
            (files.tokenizerJSON("added_tokens", "\"special\": true", by: "\"special\": false"), "adds the token '<|endoftext|>', which is not special"),
            (files.tokenizerJSON("added_tokens", "\"content\"", by: "\"text\""), "Added token 1 of tokenizer.json has no content and id"),
            (files.tokenizerJSON("added_tokens", "\"id\": 260", by: "\"id\": 400"), "the id 400, but its 261 pieces"),
            (files.tokenizerJSON("added_tokens", "<|endoftext|>", by: "he"), "gives the token 'he' the ids 256 and 260"),
            (files.tokenizerJSON(["added_tokens": "{}"]), "added_tokens that are not a list"),
        ]
        for (data, words) in cases {
            let sentence = refusal(data)
            #expect(sentence.contains(words), "\(words): \(sentence)")
        }
        #expect(refusal(Data("[1]".utf8)).contains("a list, no object"))
        #expect(refusal(Data("{\"a\": {}}".utf8)).contains("has an object for 'a'"))
        var twice = files
        twice.special = ["<|x|>", "<|x|>"]
        #expect(refusal(twice.tokenizerJSON(), size: 262).contains("adds the token '<|x|>' twice"))
    }

    @Test func refusesMalformedJSONWithItsPlace() {
        let cases = [
            ("{", "it breaks off"), ("{\"a\"", "a colon is missing"), ("{\"a\": 1", "it breaks off"), ("{\"a\": 1,}", "a name in quotes"),
            ("{\"a\": 1}x", "more follows"), ("{\"a\" 1}", "a colon"), ("{\"a\": 1 \"b\": 2}", "a comma"), ("{a: 1}", "a name in quotes"),
            ("{\"a\": tru}", "no value begins"), ("{\"a\": +1}", "no value begins"), ("{\"a\": 1.}", "lacks digits"), ("{\"a\": 1e}", "lacks digits"),
            ("{\"a\": -}", "lacks digits"), ("{\"a\u{1}\": 1}", "a control character"), ("{\"a\\x\": 1}", "an unknown escape"),
            ("{\"\\ud800\": 1}", "half a pair"), ("{\"\\ud800\\u0041\": 1}", "half a pair"), ("{\"\\udc00\": 1}", "half a pair"),
            ("{\"\\u00g0\": 1}", "four hexadecimal"), ("{\"\\u00", "four hexadecimal"), ("{\"a", "a string breaks off"), ("{\"a\\", "a string breaks off"),
            ("[1, 2", "it breaks off"), ("[1,]", "no value begins"), (String(repeating: "[", count: 100_000), "deeper than 32 levels"),
            (String(repeating: "{\"a\":", count: 100_000), "deeper than 32 levels"),
        ]
        for (text, words) in cases {
            let sentence = refusal(Data(text.utf8))
            #expect(sentence.contains("JSON and malformed at") && sentence.contains(words), "\(text.prefix(30)): \(sentence)")
        }
        #expect(refusal(Data("{\"".utf8) + Data([0xFF]) + Data("\": 1}".utf8)).contains("is not UTF-8"))
        #expect(refusal(Data("{\"a\": 1, \"b\": x}".utf8)).contains("at byte 14"))
    }

    /// Wherever a file is cut off or a byte of it changed, it is read or refused, and nothing else happens.
    @Test func everyCutAndManyChangesAreReadOrRefused() {
        let whole = files.tokenizerJSON()
        for count in stride(from: 1, to: whole.count - 1, by: 7) { #expect(refusal(whole.prefix(count)) != "no error") }
        var numbers = SeededNumbers(seed: 9)
        for _ in 0..<300 {
            var data = whole, vocabulary = files.vocabulary, merges = files.mergesText
            data[Int(numbers.next() % UInt64(data.count))] = UInt8(truncatingIfNeeded: numbers.next())
            vocabulary[Int(numbers.next() % UInt64(vocabulary.count))] = UInt8(truncatingIfNeeded: numbers.next())
            merges[Int(numbers.next() % UInt64(merges.count))] = UInt8(truncatingIfNeeded: numbers.next())
            _ = (refusal(data), refusal(vocabulary, files.mergesText), refusal(files.vocabulary, merges))
        }
    }

    private static let vocabularyPath = "data/text/gpt2_vocab.json", mergesPath = "data/text/gpt2_merges.txt"

    @Test(.enabled(if: SharedData.holds(vocabularyPath) && SharedData.holds(mergesPath))) func readsGPT2() throws {
        let vocabulary = try CheckpointFile.bytes(path: SharedData.path(Self.vocabularyPath))
        let merges = try CheckpointFile.bytes(path: SharedData.path(Self.mergesPath))
        let tokenizer = try read(merges, vocabulary, size: 50_257)
        #expect(tokenizer.pieces.count == 50_257 && tokenizer.merges.count == 50_000 && tokenizer.specialIds == [50_256])
        #expect(tokenizer.merges[0] == (220, 83, 256) && tokenizer.merges[49_999].result == 50_255)
        #expect(tokenizer.pieces[50_256] == Array("<|endoftext|>".utf8) && tokenizer.isPreSplit)
    }
}
