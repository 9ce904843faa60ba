using System.Globalization;
using System.Text;

namespace Barkeep.Common;

/// <summary>Reads a tar from a stream that cannot seek, and believes little: what is malformed, or longer than anybody needs, is Damaged.</summary>
public sealed class TarInput(Stream stream)
{
    const int MaxExtendedLength = 64 << 10;

    readonly byte[] _header = new byte[TarMember.BlockLength];
    long _rest;
    int _padding;

    /// <summary>The next member, whatever is left of the one before; null at the end.</summary>
    /// <exception cref="BarkeepException">Damaged.</exception>
    public async Task<TarMember?> NextAsync(CancellationToken cancellationToken)
    {
        await SkipAsync(cancellationToken);
        var extended = new Dictionary<string, string>(StringComparer.Ordinal);
        while (true)
        {
            await FillAsync(_header, cancellationToken);
            if (!_header.AsSpan().ContainsAnyExcept((byte)0))
            {
                return null;
            }
            var member = Parse();
            if (member.Kind != 'x')
            {
                member = Extend(member, extended);
                (_rest, _padding) = member.Kind == TarMember.File ? (member.Length, TarMember.PaddingOf(member.Length)) : (0, 0);
                return member;
            }
            if (member.Length > MaxExtendedLength)
            {
                throw Damaged($"an extended header of {member.Length} bytes");
            }
            var records = new byte[member.Length + TarMember.PaddingOf(member.Length)];
            await FillAsync(records, cancellationToken);
            ParseRecords(records.AsSpan(0, (int)member.Length), extended);
        }
    }

    /// <summary>Fills the buffer with the member's next bytes.</summary>
    /// <exception cref="BarkeepException">Damaged when it has fewer.</exception>
    public async Task ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (buffer.Length > _rest)
        {
            throw Damaged("a member is shorter than it should be");
        }
        await FillAsync(buffer, cancellationToken);
        _rest -= buffer.Length;
    }

    async Task SkipAsync(CancellationToken cancellationToken)
    {
        var buffer = new byte[1 << 16];
        for (var rest = _rest + _padding; rest > 0;)
        {
            var part = buffer.AsMemory(0, (int)Math.Min(buffer.Length, rest));
            await FillAsync(part, cancellationToken);
            rest -= part.Length;
        }
        (_rest, _padding) = (0, 0);
    }

    async Task FillAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            await stream.ReadExactlyAsync(buffer, cancellationToken);
        }
        catch (EndOfStreamException)
        {
            throw Damaged("it is cut short");
        }
    }

    TarMember Parse()
    {
        var sum = 0;
        for (var i = 0; i < _header.Length; i++)
        {
            sum += i is >= 148 and < 156 ? ' ' : _header[i];
        }
        if (sum != Number(148, 8))
        {
            throw Damaged("the sum of a header does not match");
        }
        var prefix = _header.AsSpan(257).StartsWith("ustar\0"u8) ? Text(345, 155) : "";
        var name = prefix.Length > 0 ? $"{prefix}/{Text(0, 100)}" : Text(0, 100);
        var kind = _header[156] == 0 ? TarMember.File : (char)_header[156];
        return new(name, kind, Number(124, 12), Text(157, 100));
    }

    static TarMember Extend(TarMember member, Dictionary<string, string> extended)
    {
        var name = extended.GetValueOrDefault("path", member.Name);
        name = name.StartsWith("./", StringComparison.Ordinal) ? name[2..] : name;
        var length = member.Length;
        if (extended.TryGetValue("size", out var text) && !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out length))
        {
            throw Damaged("a length is no number");
        }
        return member with { Name = name.EndsWith('/') ? name[..^1] : name, Length = length, Link = extended.GetValueOrDefault("linkpath", member.Link) };
    }

    static void ParseRecords(ReadOnlySpan<byte> records, Dictionary<string, string> extended)
    {
        while (!records.IsEmpty)
        {
            var blank = records.IndexOf((byte)' ');
            if (blank is < 1 or > 9 || !int.TryParse(records[..blank], NumberStyles.None, CultureInfo.InvariantCulture, out var length)
                || length <= blank + 1 || length > records.Length || records[length - 1] != '\n')
            {
                throw Damaged("an extended header is malformed");
            }
            var record = Encoding.UTF8.GetString(records[(blank + 1)..(length - 1)]).Split('=', 2);
            extended[record[0]] = record.Length == 2 ? record[1] : "";
            records = records[length..];
        }
    }

    string Text(int at, int length)
    {
        var bytes = _header.AsSpan(at, length);
        var end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }

    // Octal with blanks or NUL behind it, or, in GNU's form for large ones, binary.
    long Number(int at, int length)
    {
        var bytes = _header.AsSpan(at, length);
        long number = 0;
        if (bytes[0] == 0x80)
        {
            foreach (var value in bytes[^8..])
            {
                number = (number << 8) | value;
            }
            return number >= 0 && !bytes[1..^8].ContainsAnyExcept((byte)0) ? number : throw Damaged("a number is too large");
        }
        foreach (var digit in bytes)
        {
            if (digit is 0 or (byte)' ')
            {
                if (number > 0)
                {
                    break;
                }
                continue;
            }
            number = digit is >= (byte)'0' and <= (byte)'7' ? (number << 3) | (uint)(digit - '0') : throw Damaged("a number is none");
        }
        return number;
    }

    static BarkeepException Damaged(string how) => new(ErrorKind.Damaged, $"the tar cannot be read: {how}", "it was cut off or altered on its way: copy it again");
}
