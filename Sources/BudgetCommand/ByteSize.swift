import Console

extension Writer {
    /// 199680 as 200 KB: three digits, units of a thousand.
    mutating func size(_ byteCount: Int) {
        if byteCount < 1000 {
            number(byteCount)
            text(" bytes")
            return
        }
        // From the unit's value in hundredths on, what is rounded to 1000 belongs to the next.
        var unit = 1000
        var power = 1
        while power < 3, byteCount >= unit * 1000 - unit / 2 {
            unit *= 1000
            power += 1
        }
        let hundredths = byteCount / (unit / 100)
        ratio(UInt64(byteCount), UInt64(unit), places: hundredths >= 9995 ? 0 : hundredths >= 999 ? 1 : 2)
        text(power == 1 ? " KB" : power == 2 ? " MB" : " GB")
    }

    /// A share of a whole, such as 12.5 %.
    mutating func percent(_ part: Int, of whole: Int) {
        ratio(UInt64(part) * 100, UInt64(max(1, whole)), places: 1)
        text(" %")
    }
}
