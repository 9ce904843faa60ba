using System.Globalization;
using System.Text.RegularExpressions;
using Barkeep.Wal;

namespace Barkeep.Tests.Wal;

/// <summary>A record as pg_waldump prints it; <c>What</c> only serves to find one.</summary>
sealed record ListedRecord(Lsn Start, uint Length, uint Xid, Lsn Previous, string Manager, string What)
{
    public static ListedRecord Of(Match line) => !line.Success
        ? throw new FormatException("a line of pg_waldump is not understood")
        : new(
            Lsn.Parse(line.Groups["lsn"].Value),
            uint.Parse(line.Groups["length"].Value, CultureInfo.InvariantCulture),
            uint.Parse(line.Groups["xid"].Value, CultureInfo.InvariantCulture),
            Lsn.Parse(line.Groups["previous"].Value),
            line.Groups["manager"].Value,
            line.Groups["what"].Value);
}
