using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Barkeep.Common;

namespace Barkeep.Postgres;

/// <summary>
/// The client's side of SCRAM-SHA-256 (RFC 5802, 7677; PostgreSQL's sasl-authentication.html), bound to the TLS channel
/// (tls-server-end-point) when the server offers that, so that a man in the middle cannot pass the proof on.
/// </summary>
sealed class ScramClient
{
    const string Plain = "SCRAM-SHA-256";
    const string Plus = "SCRAM-SHA-256-PLUS";

    // Each iteration costs about a microsecond; PostgreSQL's default is 4096.
    /// <summary>What to do about a server that does not follow the protocol to its end: it may be another that has come between.</summary>
    internal const string WhatToDo = "check that host and port lead to your own server";

    const int MaximumIterations = 10_000_000;
    const int MaximumMessage = 4096;

    readonly string _mechanism;
    readonly string _header;
    readonly byte[] _channelBinding;
    readonly string _password;
    readonly string _nonce = Convert.ToBase64String(RandomNumberGenerator.GetBytes(18));
    byte[] _serverSignature = [];

    ScramClient(string mechanism, string header, byte[] channelBinding, string password)
    {
        _mechanism = mechanism;
        _header = header;
        _channelBinding = channelBinding;
        _password = Prepare(password);
    }

    /// <summary>Whether the server has shown that it knows the password's verifier.</summary>
    public bool IsServerProven { get; private set; }

    /// <summary>Chooses among the mechanisms that the server lists, each ended by a zero byte.</summary>
    public static ScramClient Begin(ReadOnlySpan<byte> mechanisms, string password, SslStream? tls)
    {
        var offered = Encoding.ASCII.GetString(mechanisms).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        var binding = tls is null ? null : EndPointHash(tls.RemoteCertificate);
        if (binding is not null && offered.Contains(Plus))
        {
            return new(Plus, "p=tls-server-end-point,,", binding, password);
        }
        return offered.Contains(Plain)
            // "y" says: I could have bound the channel, but you did not offer it. A server that did offer it then knows of the meddling.
            ? new(Plain, binding is null ? "n,," : "y,,", [], password)
            : throw Failed($"the server offers only {string.Join(", ", offered)}");
    }

    /// <summary>SASLInitialResponse: the mechanism and the client's nonce. The user's name is in the startup packet already.</summary>
    public byte[] FirstMessage()
    {
        var first = Encoding.ASCII.GetBytes(_header + ClientFirstBare);
        var length = new byte[4];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(length, first.Length);
        return [.. Encoding.ASCII.GetBytes(_mechanism), 0, .. length, .. first];
    }

    string ClientFirstBare => $"n=,r={_nonce}";

    /// <summary>The client's proof for the server's nonce, salt and iteration count.</summary>
    public byte[] Respond(ReadOnlySpan<byte> challenge)
    {
        if (challenge.Length > MaximumMessage)
        {
            throw Failed("the challenge is too long");
        }
        var serverFirst = Encoding.ASCII.GetString(challenge);
        var (nonce, salt, iterations) = ParseChallenge(serverFirst);
        var withoutProof = $"c={Convert.ToBase64String([.. Encoding.ASCII.GetBytes(_header), .. _channelBinding])},r={nonce}";
        var signed = Encoding.ASCII.GetBytes($"{ClientFirstBare},{serverFirst},{withoutProof}");

        var salted = Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(_password), salt, iterations, HashAlgorithmName.SHA256, 32);
        var proof = HMACSHA256.HashData(salted, "Client Key"u8);
        var signature = HMACSHA256.HashData(SHA256.HashData(proof), signed);
        for (var i = 0; i < proof.Length; i++)
        {
            proof[i] ^= signature[i];
        }
        _serverSignature = HMACSHA256.HashData(HMACSHA256.HashData(salted, "Server Key"u8), signed);
        return Encoding.ASCII.GetBytes($"{withoutProof},p={Convert.ToBase64String(proof)}");
    }

    (string Nonce, byte[] Salt, int Iterations) ParseChallenge(string text)
    {
        var fields = text.Split(',');
        if (fields.Length < 3 || !fields[0].StartsWith("r=" + _nonce, StringComparison.Ordinal) || fields[0].Length == _nonce.Length + 2
            || !fields[1].StartsWith("s=", StringComparison.Ordinal) || !fields[2].StartsWith("i=", StringComparison.Ordinal)
            || !int.TryParse(fields[2].AsSpan(2), System.Globalization.NumberStyles.None, null, out var iterations))
        {
            throw Failed("the challenge cannot be read");
        }
        if (iterations is < 1 or > MaximumIterations)
        {
            throw Failed($"the server asks for {iterations} iterations");
        }
        var salt = new byte[MaximumMessage];
        return Convert.TryFromBase64String(fields[1][2..], salt, out var length)
            ? (fields[0][2..], salt[..length], iterations)
            : throw Failed("the salt cannot be read");
    }

    /// <summary>Checks the server's own proof.</summary>
    public void CheckServer(ReadOnlySpan<byte> final)
    {
        var text = Encoding.ASCII.GetString(final);
        var end = text.IndexOf(',', StringComparison.Ordinal);
        var verifier = end < 0 ? text : text[..end];
        var signature = new byte[64];
        IsServerProven = _serverSignature.Length > 0
            && verifier.StartsWith("v=", StringComparison.Ordinal)
            && Convert.TryFromBase64String(verifier[2..], signature, out var length)
            && CryptographicOperations.FixedTimeEquals(signature.AsSpan(0, length), _serverSignature);
        if (!IsServerProven)
        {
            throw Failed("the server has not proven that it knows the password");
        }
    }

    /// <summary>
    /// RFC 4013 for passwords in ASCII, where it changes nothing, and as far as compatibility normalisation goes beyond.
    /// </summary>
    internal static string Prepare(string password) => Ascii.IsValid(password) ? password : password.Normalize(NormalizationForm.FormKC);

    /// <summary>RFC 5929, tls-server-end-point: the certificate's hash by its own signature's hash function, SHA-256 at least.</summary>
    /// <returns>Null when the signature has no such hash function (Ed25519): the channel cannot be bound.</returns>
    static byte[]? EndPointHash(X509Certificate? certificate)
    {
        if (certificate is null)
        {
            return null;
        }
        var raw = certificate.GetRawCertData();
        using var parsed = X509CertificateLoader.LoadCertificate(raw);
        return parsed.SignatureAlgorithm.Value switch
        {
            // md5, sha1 and sha256 with RSA; sha1 and sha256 with ECDSA.
            "1.2.840.113549.1.1.4" or "1.2.840.113549.1.1.5" or "1.2.840.113549.1.1.11" or "1.2.840.10045.4.1" or "1.2.840.10045.4.3.2" => SHA256.HashData(raw),
            "1.2.840.113549.1.1.12" or "1.2.840.10045.4.3.3" => SHA384.HashData(raw),
            "1.2.840.113549.1.1.13" or "1.2.840.10045.4.3.4" => SHA512.HashData(raw),
            _ => null,
        };
    }

    static BarkeepException Failed(string what) => new(ErrorKind.AuthenticationFailed, $"SCRAM authentication failed: {what}", WhatToDo);
}
