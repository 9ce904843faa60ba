using System.Text.Json.Serialization;

namespace Barkeep.Received;

/// <summary>How the receiver's state becomes JSON and back, without reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(ReceiverStatePayload))]
sealed partial class ReceiverJson : JsonSerializerContext;
