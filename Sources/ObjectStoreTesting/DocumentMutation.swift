#if canImport(Glibc)
    import Glibc
#endif

/// Changes real documents as damage, carelessness and malice do: for property tests of parsers, in the manner of a fuzzer.
///
/// The same seed makes the same changes. Each result is one to four changes away from a document of the corpus, so most
/// are nearly right: that is where parsers go wrong.
public struct DocumentMutation: Sendable {
    /// How many mutations a test makes: `PAIL_FUZZ_ROUNDS`, else 2,000.
    public static var rounds: Int { getenv("PAIL_FUZZ_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 2000 }
    /// The seed of a test's mutations: `PAIL_FUZZ_SEED`, else 1.
    public static var seed: UInt64 { getenv("PAIL_FUZZ_SEED").flatMap { UInt64(String(cString: $0)) } ?? 1 }

    private var random: SplitMix64
    private let corpus: [[UInt8]]
    private let words: [[UInt8]]

    /// Mutations of the documents of `corpus` (at least one).
    /// - Parameter words: what is put in besides random bytes: a format's own signs.
    public init(seed: UInt64, corpus: [[UInt8]], words: [String]) {
        precondition(!corpus.isEmpty, "there is nothing to change")
        random = SplitMix64(seed: seed)
        self.corpus = corpus
        self.words =
            words.map { Array($0.utf8) } + [
                [0], [0xFF], [0xC3], [0xED, 0xA0, 0x80], Array("\u{FEFF}".utf8), [13, 10], [10],
            ]
            + ["-1", "0", "9223372036854775807", "9223372036854775808", "99999999999999999999", "1e9", "é", " "].map {
                Array($0.utf8)
            }
    }

    /// The next document.
    public mutating func next() -> [UInt8] {
        var document = corpus.randomElement(using: &random)!
        for _ in 0..<Int.random(in: 1...4, using: &random) { change(&document) }
        return document
    }

    private mutating func range(in document: [UInt8], upTo limit: Int) -> Range<Int> {
        let start = Int.random(in: 0...document.count, using: &random)
        return start..<min(document.count, start + Int.random(in: 0...limit, using: &random))
    }

    private mutating func change(_ document: inout [UInt8]) {
        let place = Int.random(in: 0...document.count, using: &random)
        switch Int.random(in: 0..<9, using: &random) {
        case 0 where !document.isEmpty:
            document[min(place, document.count - 1)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1 where !document.isEmpty:
            document[min(place, document.count - 1)] = UInt8.random(in: .min ... .max, using: &random)
        case 2: document.removeSubrange(range(in: document, upTo: 20))
        case 3: document.removeSubrange(place...)
        case 4: document.insert(contentsOf: document[range(in: document, upTo: 200)], at: place)
        case 5: document.insert(contentsOf: words.randomElement(using: &random)!, at: place)
        case 6: document.replaceSubrange(range(in: document, upTo: 10), with: words.randomElement(using: &random)!)
        case 7:
            // The head of this one and the tail of another.
            let other = corpus.randomElement(using: &random)!
            document = Array(document[..<place] + other[Int.random(in: 0...other.count, using: &random)...])
        default:
            let many = Int.random(in: 1...2000, using: &random)
            let word = words.randomElement(using: &random)!
            var repeated: [UInt8] = []
            repeated.reserveCapacity(many * word.count)
            for _ in 0..<many { repeated.append(contentsOf: word) }
            document.insert(contentsOf: repeated, at: place)
        }
    }
}
