import Testing

@testable import S3

@Suite struct PasswdFileTests {
    private func parse(_ text: String) throws(ConfigurationError) -> PasswdFile {
        try PasswdFile(parsing: Array(text.utf8), file: "f")
    }

    @Test func oneKeyForAll() throws {
        let file = try parse("# mine\n\n  AKEY:SECRET+/=x \r\n")
        #expect(file.credentials(for: "any") == Credentials(accessKeyID: "AKEY", secretAccessKey: "SECRET+/=x"))
    }

    @Test func keysByBucket() throws {
        let file = try parse("one:A:1\ntwo:B:2:3\nC:4\n")
        #expect(file.credentials(for: "one") == Credentials(accessKeyID: "A", secretAccessKey: "1"))
        #expect(file.credentials(for: "two") == Credentials(accessKeyID: "B", secretAccessKey: "2:3"))
        #expect(file.credentials(for: "three") == Credentials(accessKeyID: "C", secretAccessKey: "4"))
        #expect(try parse("one:A:1\n").credentials(for: "two") == nil)
        #expect(try parse("# nothing\n").credentials(for: "two") == nil)
    }

    @Test func awsTwoLines() throws {
        let file = try parse("AWSAccessKeyId=A\nAWSSecretKey=S/=:x\nB:2\n")
        #expect(file.credentials(for: "any") == Credentials(accessKeyID: "A", secretAccessKey: "S/=:x"))
    }

    @Test(arguments: [
        ("A:B\nC:D\n", 2), ("b:A:1\nb:C:2\n", 2), ("A B:C\n", 1), ("# x\nA:B C\n", 2), ("[default]\n", 1), ("AB\n", 1),
        ("A:\n", 1), (":B\n", 1), ("b::S\n", 1), ("AWSAccessKeyId=A\n", 1), ("\nAWSSecretKey=A\n", 2),
        ("AWSAccessKeyId=\nAWSSecretKey=S\n", 1), ("AWSAccessKeyId=A\nAWSAccessKeyId=B\nAWSSecretKey=S\n", 2),
        ("aws_access_key_id=A\n", 1), ("A:\u{0}\n", 1),
    ])
    func refusesWithTheLine(_ text: String, _ line: Int) throws {
        do throws(ConfigurationError) {
            _ = try parse(text)
            Issue.record("taken")
        } catch {
            #expect(error.line == line)
        }
    }

    @Test(
        arguments: [
            ("/home/a/.passwd-s3fs", 0o600, true), ("/home/a/.passwd-s3fs", 0o400, true),
            ("/home/a/.passwd-s3fs", 0o640, false), ("/home/a/.passwd-s3fs", 0o604, false),
            ("/home/a/.passwd-s3fs", 0o620, false), ("/home/a/.passwd-s3fs", 0o700, false),
            ("/home/a/.passwd-s3fs", 0o601, false),
            ("/etc/passwd-s3fs", 0o640, true), ("/etc/passwd-s3fs", 0o600, true), ("/etc/passwd-s3fs", 0o644, false),
            ("/etc/passwd-s3fs", 0o660, false), ("/etc/passwd-s3fs", 0o650, false), ("/etc/passwd-s3fs", 0o740, false),
        ] as [(String, UInt32, Bool)])
    func permissions(_ path: String, _ mode: UInt32, _ isFine: Bool) {
        #expect((PasswdFile.objection(toMode: 0o100000 | mode, ofFile: path) == nil) == isFine)
    }

    @Test func neverCrashesNorTellsContent() {
        let seed: UInt64 = 42
        var generator = SeededGenerator(seed: seed)
        let alphabet = Array(":=#[ \t\r\nAb\u{0}".utf8) + [0xFF]
        let words = ["SECRETWORD", "AWSAccessKeyId=", "AWSSecretKey=", "\n"].map { Array($0.utf8) }
        for round in 0..<4000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0..<40, using: &generator) {
                if Int.random(in: 0..<4, using: &generator) == 0 {
                    bytes += words.randomElement(using: &generator)!
                } else {
                    bytes.append(alphabet.randomElement(using: &generator)!)
                }
            }
            do throws(ConfigurationError) {
                let file = try PasswdFile(parsing: bytes, file: "f")
                if let found = file.credentials(for: "b") {
                    #expect(
                        !found.accessKeyID.isEmpty && !found.secretAccessKey.isEmpty, "seed \(seed), round \(round)")
                }
            } catch {
                #expect(error.line != nil, "seed \(seed), round \(round)")
                #expect(!error.description.contains("SECRETWORD"), "seed \(seed), round \(round)")
            }
        }
    }
}
