import ObjectStoreTesting
import Testing

@testable import S3

/// What the readers of password and configuration files make of damaged ones: the same keys when written out again, or an error
/// that names the line and shows no secret.
@Suite struct CredentialMutationTests {
    private static let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    private static let rounds = DocumentMutation.rounds
    private static let seed = DocumentMutation.seed

    private static let passwords = [
        "AKIAIOSFODNN7EXAMPLE:\(secret)\n", "# comment\n\nbucket:AKIA:\(secret)\nother:AKIB:\(secret)\nAKIC:\(secret)",
        "AWSAccessKeyId=AKIA\r\nAWSSecretKey=\(secret)\r\n",
    ].map { Array($0.utf8) }

    private static let settings = [
        """
        [default]
        aws_access_key_id = AKIAIOSFODNN7EXAMPLE
        aws_secret_access_key = \(secret)
        # comment

        [profile work]
        region=eu-central-1
        s3 =
          addressing_style = path
          endpoint_url = http://127.0.0.1:8333
        services = local
        [services local]
        s3 =
          endpoint_url = https://s3.example.com ; remark
        """
    ].map { Array($0.utf8) }

    @Test func passwordFiles() {
        var mutation = DocumentMutation(
            seed: Self.seed, corpus: Self.passwords, words: [":", "\n", "#", "[", "AWSSecretKey=", "bucket:", " "])
        var read = 0
        for round in 0..<Self.rounds {
            let bytes = mutation.next()
            do throws(ConfigurationError) {
                let file = try PasswdFile(parsing: bytes, file: "passwd")
                read += 1
                var text = ""
                if let pair = file.pair {
                    text += "AWSAccessKeyId=\(pair.accessKeyID)\nAWSSecretKey=\(pair.secretAccessKey)\n"
                }
                if let common = file.common { text += "\(common.accessKeyID):\(common.secretAccessKey)\n" }
                for (bucket, entry) in file.buckets {
                    text += "\(bucket):\(entry.accessKeyID):\(entry.secretAccessKey)\n"
                }
                let again = try? PasswdFile(parsing: Array(text.utf8), file: "passwd")
                #expect(again == file, "seed \(Self.seed), round \(round): \(text)")
            } catch {
                #expect(!error.description.contains("wJalr"), "round \(round): the error shows a secret")
            }
        }
        #expect(read > Self.rounds / 100)
    }

    @Test func configurationFiles() {
        var mutation = DocumentMutation(
            seed: Self.seed, corpus: Self.settings, words: ["[", "]", "=", "\n ", "\n", ";", " #", "profile ", "\t"])
        var read = 0
        for round in 0..<Self.rounds {
            let bytes = mutation.next()
            do throws(ConfigurationError) {
                let document = try INIDocument(parsing: bytes, file: "config")
                read += 1
                let size = document.sections.reduce(0) { sum, section in
                    sum + section.name.utf8.count
                        + section.properties.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
                }
                // Names are put into lower case, which may take a byte more than it had.
                #expect(size <= 3 * bytes.count, "seed \(Self.seed), round \(round)")
                // The same again where nothing is nested, of several lines or commented.
                for section in document.sections {
                    for property in section.properties where property.nested.isEmpty {
                        guard !property.value.isEmpty, !property.value.utf8.contains(10) else { continue }
                        let text = "[\(section.name)]\n\(property.name) = \(property.value)\n"
                        guard let again = try? INIDocument(parsing: Array(text.utf8), file: "config") else {
                            Issue.record("seed \(Self.seed), round \(round): \(text)")
                            continue
                        }
                        #expect(
                            again.sections.first?.properties.first?.value == property.value, "round \(round): \(text)")
                    }
                }
            } catch {
                #expect(!error.description.contains("wJalr"), "round \(round): the error shows a secret")
            }
        }
        #expect(read > Self.rounds / 100)
    }
}
