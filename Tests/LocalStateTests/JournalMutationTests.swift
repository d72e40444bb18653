import Foundation
import ObjectStore
import ObjectStoreTesting
import Testing

@testable import LocalState

/// What the journal's readers make of damaged records and files: what is read and written again is read as the same; nothing ends
/// the process, and nothing that was damaged is deleted.
@Suite(.timeLimit(.minutes(15))) struct JournalMutationTests {
    private static let rounds = DocumentMutation.rounds
    private static let seed = DocumentMutation.seed

    private var examples: [Intent] {
        var metadata = ObjectMetadata(contentType: "text/plain", user: ["mode": "33188", "mtime": "1.5", "é": ""])
        metadata.storageClass = "GLACIER"
        let pieces: [ContentPiece] = [
            .local(content: 7, range: 0..<100), .stored(key: "other", etag: ETag("\"e\""), range: 5..<1 << 30),
            .pending(intent: 3, key: "d/f", range: 0..<5), .stored(key: "k", etag: nil, range: 0..<0),
        ]
        let bases: [Intent.Base] = [.none, .presumedAbsent, .absent, .version(ETag("\"v\"")), .after(2)]
        return bases.enumerated().map { index, base in
            var intent = Intent(
                id: Int64(index), key: "key", kind: [.put, .copy, .delete][index % 3], base: base,
                etag: ETag("\"own\""),
                date: Timestamp(seconds: 1_700_000_000), metadata: metadata, pieces: Array(pieces.prefix(index)))
            intent.waits = [1, 2]
            intent.guards = ["old"]
            return intent
        }
    }

    private func unsealed(_ record: [UInt8]) -> [UInt8] { record.dropLast(RecordSeal.length) }

    private func sealed(_ record: [UInt8]) -> [UInt8] { record + RecordSeal.sum(record[...], id: 1, key: "key") }

    @Test func intentRecords() {
        let corpus = examples.map { unsealed($0.encoded) }
        for intent in examples {
            #expect(Intent(id: intent.id, key: "key", decoding: intent.encoded)?.encoded.count == intent.encoded.count)
        }
        var mutation = DocumentMutation(seed: Self.seed, corpus: corpus, words: [])
        var read = 0
        for round in 0..<Self.rounds {
            let record = mutation.next()
            // As a disk changes it: no intent. As somebody wrote it: whatever it says, it can be handled.
            #expect(Intent(id: 1, key: "key", decoding: record) == nil)
            guard let intent = Intent(id: 1, key: "key", decoding: sealed(record)) else { continue }
            read += 1
            // All that a start asks of it.
            #expect(intent.size >= 0)
            _ = (
                intent.footprint, intent.needs, intent.copySource, intent.isUncertain, intent.pieces.contents,
                intent.info
            )
            _ = intent.pieces.slice(0..<max(0, intent.size / 2))
            let again = Intent(id: 1, key: "key", decoding: intent.encoded)
            #expect(
                again?.pieces == intent.pieces && again?.metadata == intent.metadata,
                "seed \(Self.seed), round \(round)")
            #expect(again?.base == intent.base && again?.waits == intent.waits && again?.guards == intent.guards)
        }
        #expect(read > Self.rounds / 100)
    }

    @Test func keptRecords() {
        let records = examples.map { intent in
            KeptRecord(
                id: 1, key: "key", metadata: intent.metadata, base: ETag("\"b\""), reason: "because", date: intent.date,
                pieces: intent.pieces
            )
        }.map { unsealed($0.encoded) }
        var mutation = DocumentMutation(seed: Self.seed, corpus: records, words: [])
        var read = 0
        for round in 0..<Self.rounds {
            guard let record = KeptRecord(id: 1, key: "key", decoding: sealed(mutation.next())) else { continue }
            read += 1
            #expect(record.content.size >= 0)
            let again = KeptRecord(id: 1, key: "key", decoding: record.encoded)
            #expect(again?.content == record.content, "seed \(Self.seed), round \(round)")
        }
        #expect(read > Self.rounds / 100)
    }

    /// A database with changed bytes anywhere: it is opened with what can be read, or put aside whole, or refused; the next start says
    /// the same.
    @Test func damagedDatabases() async throws {
        let source = ScratchDirectory()
        let bucket = InMemoryStore()
        var journal = try source.journal()
        for number in 0..<30 {
            _ = try await journal.keepForUpload(
                ObjectKey("k\(number)"), pieces: [.bytes(ArrayBody([UInt8](repeating: 3, count: 200 * number)))],
                metadata: .init(user: ["mtime": "1"]), base: nil, replacing: nil)
            _ = try await journal.keep(
                "kept", pieces: [.bytes(ArrayBody([1, 2]))], metadata: .init(), base: nil, reason: "conflict")
        }
        try await journal.uploadBegan(MultipartUpload(key: "u", id: "id"))
        journal.close()
        let original = Array(try Data(contentsOf: URL(fileURLWithPath: source.state + "/journal.sqlite")))
        var random = SplitMix64(seed: Self.seed)
        var opened = 0
        for round in 0..<max(20, Self.rounds / 20) {
            let scratch = ScratchDirectory()
            try FileManager.default.copyItem(atPath: source.state, toPath: scratch.state)
            var bytes = original
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: bytes[place] = .random(in: .min ... .max, using: &random)
                case 2:
                    for index in place..<min(bytes.count, place + 512) { bytes[index] = 0 }
                default: bytes.removeLast(min(bytes.count - 1, Int.random(in: 0..<4096, using: &random)))
                }
            }
            try Data(bytes).write(to: URL(fileURLWithPath: scratch.state + "/journal.sqlite"))
            do {
                journal = try scratch.journal()
            } catch {
                // Refused: then nothing may be gone.
                #expect(FileManager.default.fileExists(atPath: scratch.state + "/journal.sqlite"), "\(error)")
                continue
            }
            opened += 1
            bucket.removeAll()
            let store = WriteBackStore(bucket, journal: journal)
            _ = await store.close(draining: .milliseconds(300))
            for key in bucket.allKeys where key.string.utf8.first == UInt8(ascii: "k") {
                // What is uploaded is what was written, whatever the disk has made of it.
                let content = bucket.content(of: key) ?? []
                #expect(
                    content.allSatisfy { $0 == 3 } && content.count % 200 == 0,
                    "seed \(Self.seed), round \(round): \(key)")
            }
            journal.close()
        }
        #expect(opened > 0)
    }
}
