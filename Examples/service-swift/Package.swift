// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "stlm-service",
    dependencies: [.package(name: "stlm", path: "../..")],
    targets: [.executableTarget(name: "stlm-service", dependencies: [.product(name: "STLM", package: "stlm")])]
)
