"""What may a partner send about who referred the patient?"""

from pydantic import Field

from domain.values import LongText, Sent, Text, Texts


class Referral(Sent):
    """Who referred the patient, for what, and for how long; phones and email as the patient's own."""

    physician_name: Text = Field(None, examples=["Dr. Maria Ruiz"])
    physician_email: Text = Field(None, examples=["ruiz@clinic.example.com"])
    physician_phone: Text = Field(None, examples=["(212) 555-0142"])
    physician_fax: Text = Field(None, examples=["(212) 555-0143"])
    physician_group: Text = Field(None, examples=["Hudson Orthopedics"])
    physician_npi: Text = Field(None, description="National Provider Identifier.", examples=["1234567893"])
    physician_address: LongText = Field(None, examples=["12 Main St"])
    physician_address_2: LongText = Field(None, examples=["Suite 4"])
    physician_city: Text = Field(None, examples=["New York"])
    physician_zip: Text = Field(None, examples=["10001"])
    icd_codes: Texts | None = Field(None, description="Diagnoses, ICD-10.", examples=[["M54.50"]])
    service_types: Texts | None = Field(None, examples=[["PT"]])
    start_date: Text = Field(None, description="First day; formats as for `date_of_birth`.", examples=["2026-01-05"])
    end_date: Text = Field(None, description="Last day; formats as for `date_of_birth`.", examples=["2026-06-30"])
    location_id: Text = Field(None, description="A location of the organization; any other id is dropped.")
    file_id: Text = Field(None, description="The sender's id of the referral document.")
