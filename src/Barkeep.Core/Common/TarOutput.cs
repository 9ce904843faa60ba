using System.Globalization;
using System.Text;

namespace Barkeep.Common;

/// <summary>
/// Writes a tar (POSIX.1-1988 ustar, with the extended headers of POSIX.1-2001 where a name or a length has no room), member by member, to a
/// stream that cannot seek. What is in it belongs to the user postgres, by name.
/// </summary>
/// <param name="groupAccess">Whether the group may read.</param>
public sealed class TarOutput(Stream stream, bool groupAccess)
{
    const int NameLength = 100;
    const long LongestOctal = (1L << 33) - 1;

    // The official images' postgres, where the name is not known.
    const int NumberOfPostgres = 999;

    readonly byte[] _header = new byte[TarMember.BlockLength];
    long _rest;
    int _padding;

    public Task WriteDirectoryAsync(string path, DateTimeOffset time, CancellationToken cancellationToken) =>
        WriteHeaderAsync(new(path + "/", TarMember.Directory, 0, ""), groupAccess ? 0x1E8 : 0x1C0, time, cancellationToken);

    public Task WriteLinkAsync(string path, string destination, DateTimeOffset time, CancellationToken cancellationToken) =>
        WriteHeaderAsync(new(path, TarMember.SymbolicLink, 0, destination), 0x1FF, time, cancellationToken);

    /// <summary>Begins a file, whose content is written next: exactly as many bytes as said.</summary>
    public async Task BeginFileAsync(string path, long length, DateTimeOffset time, CancellationToken cancellationToken)
    {
        await WriteHeaderAsync(new(path, TarMember.File, length, ""), groupAccess ? 0x1A0 : 0x180, time, cancellationToken);
        (_rest, _padding) = (length, TarMember.PaddingOf(length));
    }

    public async Task WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        if (content.Length > _rest)
        {
            throw new InvalidOperationException("more content than the member's length");
        }
        await stream.WriteAsync(content, cancellationToken);
        _rest -= content.Length;
        if (_rest == 0 && _padding > 0)
        {
            await stream.WriteAsync(new byte[_padding], cancellationToken);
            _padding = 0;
        }
    }

    /// <summary>Writes what ends a tar.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken) => await stream.WriteAsync(new byte[2 * TarMember.BlockLength], cancellationToken);

    async Task WriteHeaderAsync(TarMember member, int mode, DateTimeOffset time, CancellationToken cancellationToken)
    {
        if (_rest > 0)
        {
            throw new InvalidOperationException("the member before lacks content");
        }
        var extended = Extended(member);
        if (extended.Length > 0)
        {
            Fill(new("barkeep-pax", 'x', extended.Length, ""), 0x180, time);
            await stream.WriteAsync(_header, cancellationToken);
            await stream.WriteAsync(extended, cancellationToken);
            await stream.WriteAsync(new byte[TarMember.PaddingOf(extended.Length)], cancellationToken);
        }
        Fill(member, mode, time);
        await stream.WriteAsync(_header, cancellationToken);
    }

    void Fill(TarMember member, int mode, DateTimeOffset time)
    {
        _header.AsSpan().Clear();
        PutText(0, NameLength, member.Name);
        PutOctal(100, 8, mode);
        PutOctal(108, 8, NumberOfPostgres);
        PutOctal(116, 8, NumberOfPostgres);
        PutOctal(124, 12, Math.Min(member.Length, LongestOctal));
        PutOctal(136, 12, Math.Clamp(time.ToUnixTimeSeconds(), 0, LongestOctal));
        _header[156] = (byte)member.Kind;
        PutText(157, NameLength, member.Link);
        "ustar\0"u8.CopyTo(_header.AsSpan(257));
        "00"u8.CopyTo(_header.AsSpan(263));
        PutText(265, 32, "postgres");
        PutText(297, 32, "postgres");
        // The sum counts its own field as blanks.
        _header.AsSpan(148, 8).Fill((byte)' ');
        var sum = 0;
        foreach (var value in _header)
        {
            sum += value;
        }
        PutOctal(148, 7, sum);
    }

    static byte[] Extended(TarMember member)
    {
        using var records = new MemoryStream();
        Add(records, "path", Encoding.UTF8.GetByteCount(member.Name) > NameLength ? member.Name : null);
        Add(records, "linkpath", Encoding.UTF8.GetByteCount(member.Link) > NameLength ? member.Link : null);
        Add(records, "size", member.Length > LongestOctal ? member.Length.ToString(CultureInfo.InvariantCulture) : null);
        return records.ToArray();
    }

    // "27 path=…\n": the length counts itself.
    static void Add(MemoryStream records, string key, string? value)
    {
        if (value is null)
        {
            return;
        }
        var rest = Encoding.UTF8.GetBytes($" {key}={value}\n");
        var length = rest.Length + 1;
        while (length != rest.Length + length.ToString(CultureInfo.InvariantCulture).Length)
        {
            length++;
        }
        records.Write(Encoding.ASCII.GetBytes(length.ToString(CultureInfo.InvariantCulture)));
        records.Write(rest);
    }

    void PutText(int at, int length, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        bytes.AsSpan(0, Math.Min(bytes.Length, length)).CopyTo(_header.AsSpan(at));
    }

    void PutOctal(int at, int length, long value) =>
        Encoding.ASCII.GetBytes(Convert.ToString(value, 8).PadLeft(length - 1, '0') + "\0").CopyTo(_header.AsSpan(at));
}
